using PackageCompilerRS
using Test

import Dates

# Functions of Main: what only they call must be in a recording too.
recorded_inner(day) = Dates.dayofyear(day + Dates.Day(3))
function recorded_outer(year)
    day = Dates.Date(year)
    return string(recorded_inner(day), ' ', Dates.format(day, "yyyy"))
end

statements(path) = filter(line -> startswith(line, "precompile("), readlines(path))
quietly(f) = Base.CoreLogging.with_logger(f, Base.CoreLogging.NullLogger())
folder() = realpath(mktempdir())

@testset "Recording" begin
    @testset "a block" begin
        path = joinpath(folder(), "new folder", "é statements.jl")
        value = quietly(() -> record_statements(() -> recorded_outer(2026), path))
        @test value == "4 2026"
        lines = readlines(path)
        @test lines[1] == "# Precompile statements recorded by Julia $VERSION"
        # Called by Main's functions and known to inference, so never in Julia's own trace.
        @test any(line -> occursin("typeof(Dates.dayofyear), Dates.Date", line), lines)
        @test any(line -> occursin("typeof(Dates.format), Dates.Date, String", line), lines)
        @test !any(line -> occursin("PackageCompilerRS", line), lines[2:end])
        @test !any(line -> occursin("Main.var\"#", line), lines)
        @test allunique(lines)
        for line in statements(path)
            @test Meta.parse(line).args[1] === :precompile
        end
    end

    @testset "statements are Julia's, and can be evaluated" begin
        path = joinpath(folder(), "statements.jl")
        quietly(() -> record_statements(() -> recorded_outer(2025), path))
        scope = PackageCompilerRS.scope_of_packages()
        for line in statements(path)
            signature = PackageCompilerRS.signature_of(scope, line)
            @test signature !== nothing
            @test precompile(signature) in (true, nothing)
        end
    end

    @testset "start and stop" begin
        path = joinpath(folder(), "statements.jl")
        @test start_recording(path) == path
        # Already there, so that nothing is lost for want of a place.
        @test isfile(path)
        err = try start_recording(path * "2") catch err; err end
        @test err isa RecordingError
        @test occursin(path, err.message)
        @test occursin("stop_recording()", err.hint)
        Core.eval(Main, :(sum([1//3, 1//7]; dims=1); nothing))
        Core.eval(Main, :(struct RecordedHere end; [RecordedHere()] == [RecordedHere()]))
        @test quietly(stop_recording) == path
        @test any(line -> occursin("Main.RecordedHere", line), statements(path))
        @test_throws RecordingError stop_recording()
    end

    @testset "what is compiled outside a recording is not in it" begin
        path = joinpath(folder(), "statements.jl")
        start_recording(path)
        quietly(stop_recording)
        Core.eval(Main, :(struct RecordedBetween end; [RecordedBetween()] == [RecordedBetween()]))
        start_recording(path)
        quietly(stop_recording)
        @test !any(line -> occursin("RecordedBetween", line), statements(path))
    end

    @testset "recordings merge" begin
        path = joinpath(folder(), "statements.jl")
        quietly(() -> record_statements(() -> recorded_outer(2024), path))
        first = readlines(path)
        quietly(() -> record_statements(() -> recorded_outer(2024), path))
        @test first ⊆ readlines(path)
        @test allunique(readlines(path))
        @test count(startswith("#"), readlines(path)) == 1
        # Lines of another origin stay.
        own = joinpath(dirname(path), "own.jl")
        write(own, "# mine\nprecompile(Tuple{typeof(Base.sin), Float64})\n")
        quietly(() -> record_statements(() -> recorded_outer(2023), own))
        @test startswith(readlines(own)[1], "# Precompile statements recorded by Julia")
        @test readlines(own)[2:3] == ["# mine", "precompile(Tuple{typeof(Base.sin), Float64})"]
    end

    @testset "a recording that fails keeps what there is" begin
        path = joinpath(folder(), "statements.jl")
        @test_throws ErrorException quietly() do
            record_statements(path) do
                recorded_outer(2022)
                error("stop here")
            end
        end
        @test !isempty(statements(path))
        @test_throws RecordingError stop_recording()
    end

    @testset "another Julia's file" begin
        path = joinpath(folder(), "statements.jl")
        other = "# Precompile statements recorded by Julia 1.2.3\nprecompile(Tuple{typeof(f)})\n"
        write(path, other)
        err = try start_recording(path) catch err; err end
        @test err isa RecordingError
        @test occursin("1.2.3", sprint(showerror, err))
        @test occursin(string(VERSION), sprint(showerror, err))
        @test read(path, String) == other
        # Another patch release is as good.
        patch = "$(VERSION.major).$(VERSION.minor).99"
        write(path, replace(other, "1.2.3" => patch))
        quietly(() -> record_statements(() -> nothing, path))
        @test readlines(path)[1] == "# Precompile statements recorded by Julia $patch, $VERSION"
        @test readlines(path)[2] == "precompile(Tuple{typeof(f)})"
    end

    @testset "places that cannot be written" begin
        @test_throws RecordingError start_recording(folder())
        file = joinpath(folder(), "file")
        write(file, "")
        @test_throws RecordingError start_recording(joinpath(file, "statements.jl"))
        @test_throws RecordingError stop_recording()
    end

    Sys.iswindows() || @testset "a link is followed, and a mode kept" begin
        place = folder()
        real, link = joinpath(mkpath(joinpath(place, "store")), "real.jl"), joinpath(place, "s.jl")
        symlink(joinpath("store", "real.jl"), link)
        quietly(() -> record_statements(() -> nothing, link))
        @test islink(link) && isfile(real)
        chmod(real, 0o640)
        quietly(() -> record_statements(() -> nothing, link))
        @test islink(link) && filemode(real) & 0o777 == 0o640
        @test readdir(dirname(real)) == ["real.jl"]
    end

    @testset "files of statements are whole or not there" begin
        path = joinpath(folder(), "statements.jl")
        lines = ["precompile(Tuple{typeof(Base.sin), Float64})", "precompile(Tuple{typeof(é)})"]
        for statements in (lines, String[])
            PackageCompilerRS.write_statements(path, statements)
            @test PackageCompilerRS.read_statements(path) == statements
        end
        @test readdir(dirname(path)) == ["statements.jl"]
        for half in ("", lines[1], lines[1] * "\n# end of sta")
            write(path, half)
            @test PackageCompilerRS.read_statements(path) === nothing
        end
        if ispath("/dev/full")
            symlink("/dev/full", path * ".part")
            write(path, "as it was")
            @test_throws Exception PackageCompilerRS.write_statements(path, lines)
            @test read(path, String) == "as it was"
        end
    end

    @testset "what Julia adds to statements" begin
        plain = "precompile(Tuple{typeof(Base.sin), Float64})"
        symbol = "precompile(Tuple{typeof(f), Base.Val{Symbol(\"a # recompile\")}})"
        @test PackageCompilerRS.clean_trace([
            plain,
            "#=   39.1 ms =# $plain",
            "\e[33m#=  102.0 ms =# $plain\e[39m # recompile",
            "$plain # recompile",
            symbol,
            "precompile(Tuple{typeof(Base.cos), Flo",
            "some output of the program",
            "precompile(Tuple{typeof(PackageCompilerRS.sample), Base.Val{0x01}})",
        ]) == [plain, symbol]
    end

    julia = `$(joinpath(Sys.BINDIR, Base.julia_exename())) --startup-file=no
        --project=$(pkgdir(PackageCompilerRS))`

    @testset "the end of a session" begin
        path = joinpath(folder(), "statements.jl")
        code = """
            using PackageCompilerRS
            start_recording($(repr(path)))
            struct Last end; [Last()] == [Last()]
            """
        run(pipeline(`$julia -e $code`; stderr=devnull))
        @test any(line -> occursin("Main.Last", line), statements(path))
    end

    Sys.islinux() && @testset "a workload on a full disk" begin
        # As the engine stages them.
        place, sources = folder(), joinpath(pkgdir(PackageCompilerRS), "rust", "engine", "src")
        recorder = joinpath(place, "recorder.jl")
        cp(joinpath(sources, "staging", "recorder.jl"), recorder)
        cp(joinpath(@__DIR__, "..", "julia", "recording", "whole.jl"), joinpath(place, "whole.jl"))
        cp(joinpath(@__DIR__, "..", "julia", "recording", "trace.jl"),
            joinpath(place, "static_calls.jl"))
        raw, trace = joinpath(place, "trace-1.raw.jl"), joinpath(place, "trace-1.jl")
        code = "struct Traced end; [Traced()] == [Traced()]"
        command = `$julia --trace-compile=$raw --load=$recorder -e $code`
        run(command)
        @test readlines(trace)[end] == "# end of statements"
        @test any(line -> occursin("Main.Traced", line), readlines(trace))
        @test !any(line -> occursin("PackageCompilerRSRecording", line), readlines(trace))
        rm(trace)
        symlink("/dev/full", trace * ".part")
        _, _, err = PackageCompilerRS.captured(command)
        @test !ispath(trace)
        @test occursin(r"no space left on device"i, err)
        @test any(line -> occursin("Main.Traced", line), readlines(raw))
    end

    @testset "a session with a trace of its own" begin
        place = folder()
        path, trace = joinpath(place, "statements.jl"), joinpath(place, "trace.jl")
        code = """
            using PackageCompilerRS
            struct Before end; [Before()] == [Before()]
            record_statements($(repr(path))) do
                @eval (struct Meanwhile end; [Meanwhile()] == [Meanwhile()])
            end
            struct After end; [After()] == [After()]
            """
        run(pipeline(`$julia --trace-compile=$trace -e $code`; stderr=devnull))
        @test any(line -> occursin("Main.Meanwhile", line), statements(path))
        @test !any(line -> occursin("Main.Before", line), statements(path))
        @test !any(line -> occursin("Main.After", line), statements(path))
        # It goes on.
        @test any(line -> occursin("Main.After", line), statements(trace))

        process, _, text = PackageCompilerRS.captured(`$julia --trace-compile=stderr -e $code`)
        @test !success(process)
        @test occursin("RecordingError: this session cannot record", text)
        @test occursin("--trace-compile=stderr", text)
    end

    @testset "julia_record" begin
        path = joinpath(folder(), "statements.jl")
        script = joinpath(folder(), "script.jl")
        write(script, """
            import Dates
            inner(year) = Dates.dayofyear(Dates.Date(year))
            outer(year) = inner(year) + 1
            println(outer(2026))
            println(haskey(ENV, "PACKAGECOMPILERRS_TRACE"))
            exit(3)
            """)
        out = IOBuffer()
        code = """
            using PackageCompilerRS
            println(julia_record($(repr(path)); args=`--startup-file=no $script`))
            """
        run(pipeline(`$julia -e $code`; stdout=out, stderr=devnull))
        @test split(String(take!(out)), '\n'; keepempty=false) == ["2", "false", path]
        @test any(line -> occursin("typeof(Dates.dayofyear), Dates.Date", line), statements(path))
        @test !any(line -> occursin("PackageCompilerRS", line), statements(path))
        @test_throws RecordingError julia_record(path; project=joinpath(folder(), "none"))
    end

    @testset "a recorded session is told apart by nothing" begin
        @test all(PackageCompilerRS.comes_to_prompt, (``, `-q --startup-file=no -t4`))
        @test !any(PackageCompilerRS.comes_to_prompt,
            (`a.jl`, `-t 4`, `-e 1`, `-e1`, `-E 1`, `--eval=1`, `--print=1`, `-q -`, `-q -- a.jl`))
        # What packages such as OhMyREPL look at: no commands, or an interactive session.
        look(file) = """
            open($(repr(file)), "a") do io
                options = Base.JLOptions()
                rest = Base.unsafe_load_commands(options.commands)
                println(io, options.isinteractive, ' ', [first(command) for command in rest])
            end
            """
        place = folder()
        path, seen = joinpath(place, "statements.jl"), joinpath(place, "seen")
        script = joinpath(place, "script.jl")
        write(script, look(seen))
        quietly() do
            julia_record(path; args=`--startup-file=no $script`)
            julia_record(path; args=`--startup-file=no -L $script -e 1`)
        end
        @test readlines(seen) == ["0 Char[]", "0 ['L', 'e']"]

        if Sys.islinux() && Sys.which("script") !== nothing
            depot = joinpath(place, "depot")
            mkpath(joinpath(depot, "config"))
            write(joinpath(depot, "config", "startup.jl"), look(seen))
            rm(seen)
            code = "using PackageCompilerRS; julia_record($(repr(path)); args=`-q`)"
            command = Base.shell_escape(`$julia -e $code`)
            terminal = `script -qec $command /dev/null`
            keys = IOBuffer("struct Typed end; [Typed()] == [Typed()]\r\n" * look(seen) * "exit()\n")
            withenv("JULIA_DEPOT_PATH" => join([depot; DEPOT_PATH], ':')) do
                run(pipeline(terminal; stdin=keys, stdout=devnull, stderr=devnull))
            end
            # By the startup file, which is run before there could be no commands, and at the prompt.
            @test readlines(seen) == ["1 ['L']", "1 Char[]"]
            @test any(line -> occursin("Main.Typed", line), statements(path))
        end
    end
end
