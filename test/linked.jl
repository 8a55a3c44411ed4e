# Linked images: what they answer, and which code they hold, against plain Julia and a full image.
# PCRS_TEST_WHOLE=1 adds what takes a quarter of an hour: a full image, which PCRS_TEST_FULL keeps at a path for the
# next time, sessions that precompile most of the standard library, and three times the generated functions.
#
# Features invalidates much of Base, so that each image with it compiles thousands of functions: only the first one
# and its kin have it.

include(joinpath("linked", "generated.jl"))

module LinkedImages

using PackageCompilerRS
using PackageCompilerRS: Libdl
using Test
using ..Main: FIXTURES, PROMPT, WHOLE, names_of, with_fixtures, with_variables, write_generated, GENERATED

const JULIA = joinpath(Sys.BINDIR, Base.julia_exename())
const SCRIPTS = joinpath(@__DIR__, "linked")
const STOCK = PackageCompilerRS.running_sysimage()

"Why there are no linked images here, if so."
function missing_here()
    Sys.islinux() && Sys.ARCH === :x86_64 || return "this is no Linux on x86-64"
    (VERSION.major, VERSION.minor) in ((1, 10), (1, 11), (1, 12)) || return "they are made on Julia 1.10 to 1.12, this is $VERSION"
    PackageCompilerRS.interposer() === nothing && return "the library that makes them is not built"
    return nothing
end

"A testset that says how long it took."
function timed(f, name)
    seconds = @elapsed @testset "$name" begin
        f()
    end
    println("  ", rpad(string(round(seconds; digits=1)), 6), " s  ", name)
    flush(stdout)
    return nothing
end

const CLEAN = ("JULIA_LOAD_PATH" => nothing, "JULIA_PROJECT" => nothing, "PCRS_GUARD" => nothing)

"The command of a session on `image` in `project`."
julia(image, project, arguments; options=``) =
    `$JULIA --sysimage=$image --startup-file=no --project=$project $options $arguments`

"What `arguments` print; what they write to `stderr` is shown if they fail."
function output(image, project, arguments; options=``, variables=())
    command = julia(image, project, arguments; options)
    errors = IOBuffer()
    text = IOBuffer()
    process = with_variables(() -> run(pipeline(ignorestatus(command); stdout=text, stderr=errors)), CLEAN..., variables...)
    success(process) || println(stderr, command, " failed:\n", last(String(take!(text)), 300), last(String(take!(errors)), 3000))
    success(process) || return nothing
    # Features overflows its stack, of which Julia warns.
    said = split(String(take!(text)), '\n'; keepempty=true)
    return join(filter(!startswith(r" *From worker \d+:\tWarning: detected a stack overflow"), said), '\n')
end

evaluated(image, project, code; kwargs...) = output(image, project, `-e $code`; kwargs...)

# Julia 1.12 says so though its own image has the code: inference evaluates the call.
const SAID_ANYWAY = "precompile(Tuple{typeof(Base.repeat), Char, Int64})"

"What Julia 1.12 says of code that looks a name up in a world older than the name: code of ours does not."
const TOO_EARLY = "in a world prior to its definition world"

"""
The statements that Julia still compiles for `code`, but for those of a module that `eval` makes, and what
`Features.__init__` invalidates in each session.
"""
function still_compiled(image, project, code)
    return mktempdir() do dir
        trace = joinpath(dir, "trace.jl")
        evaluated(image, project, code; options=`--trace-compile=$trace`) === nothing && return ["it failed"]
        lines = isfile(trace) ? readlines(trace) : String[]
        filter!(line -> line != SAID_ANYWAY, lines)
        filter!(line -> !occursin(r"Scratch|Features\.package_invalidated|Featured\.described", line), lines)
    end
end

"The first lines of what a test did not expect; false."
function show_some(lines)
    foreach(line -> println("    ", first(line, 200)), first(lines, 10))
    return false
end

function show_differences(a, b)
    (a === nothing || b === nothing) && return nothing
    lines, others = split(a, '\n'), split(b, '\n')
    length(lines) == length(others) || println(length(lines), " lines and ", length(others))
    for (line, other) in first(filter(pair -> pair[1] != pair[2], collect(zip(lines, others))), 5)
        println("- ", first(line, 300), "\n+ ", first(other, 300))
    end
    return nothing
end

"Whether two outputs are there and the same; says where they differ."
function same(a, b)
    equal = a !== nothing && a == b
    equal || show_differences(a, b)
    return equal
end

"A package of a test's own, in the new folder `folder`."
function write_package(folder, name, uuid, code; deps=())
    mkpath(joinpath(folder, "src"))
    listed = join(("$dep = \"$id\"\n" for (dep, id) in deps))
    write(joinpath(folder, "Project.toml"), "name = \"$name\"\nuuid = \"$uuid\"\nversion = \"0.1.0\"\n\n[deps]\n$listed")
    write(joinpath(folder, "src", "$name.jl"), "module $name\n$code\nend\n")
    return folder
end

const UUIDS = Dict(
    "Greeter" => "11111111-aaaa-4aaa-8aaa-000000000001",
    "Helper" => "11111111-aaaa-4aaa-8aaa-000000000002",
    "Twin" => "11111111-aaaa-4aaa-8aaa-000000000004",
    "Late" => "11111111-aaaa-4aaa-8aaa-000000000005",
    "Featured" => "11111111-aaaa-4aaa-8aaa-00000000000c",
    "Features" => "11111111-aaaa-4aaa-8aaa-00000000000d",
    "Generated" => GENERATED,
    "Tiny" => "11111111-aaaa-4aaa-8aaa-00000000000f",
    "Settled" => "11111111-aaaa-4aaa-8aaa-000000000010",
    "Edited" => "11111111-aaaa-4aaa-8aaa-000000000011",
    "Inlines" => "11111111-aaaa-4aaa-8aaa-000000000012",
    "Takes" => "11111111-aaaa-4aaa-8aaa-000000000013",
    "Uncached" => "11111111-aaaa-4aaa-8aaa-000000000014",
    "Later" => "11111111-aaaa-4aaa-8aaa-000000000015",
    "Named" => "11111111-aaaa-4aaa-8aaa-000000000016",
    "Caller" => "11111111-aaaa-4aaa-8aaa-000000000017",
)

entry(name, place; version="0.1.0", deps=String[]) = """
    [[$name]]
    $(isempty(deps) ? "" : "deps = $deps")
    $place
    uuid = "$(UUIDS[name])"
    version = "$version"

    """
at(path) = "path = $(repr(path))"

"An environment of the packages called `direct`; `entries` are those of the Manifest."
function write_project(folder, direct, entries)
    mkpath(folder)
    write(joinpath(folder, "Project.toml"), "[deps]\n", join("$name = \"$(UUIDS[name])\"\n" for name in direct))
    write(joinpath(folder, "Manifest.toml"), join(entries))
    return folder
end

"How many functions the package Generated has."
const AMOUNT = WHOLE ? 300 : 120

"The environment of all fixtures that are used here."
function write_features(fixtures)
    packages = joinpath(fixtures, "packages")
    write_generated(joinpath(packages, "Generated"), AMOUNT)
    here(name) = at(joinpath(packages, name))
    return write_project(joinpath(fixtures, "features"), ["Features", "Featured", "Generated", "Greeter"], [
        entry("Featured", here("Featured")),
        entry("Features", here("Features"); deps=["Featured"]),
        entry("Generated", here("Generated")),
        entry("Greeter", here("Greeter"); version="1.2.0", deps=["Helper", "Late", "Twin"]),
        entry("Helper", here("Helper"); version="0.3.1"),
        entry("Late", here("Late")),
        entry("Twin", at(joinpath(packages, "TwinTwo")); version="2.0.0"),
    ])
end

const NAMED = ["Features", "Generated", "Greeter"]

"How many of the functions of Generated the workload calls."
const CALLED = 2AMOUNT ÷ 3

function write_workload(fixtures)
    path = joinpath(fixtures, "workload.jl")
    write(path, """
        using Features, Generated, Greeter
        foreach(println, Features.report())
        foreach(println, Generated.results(100, $CALLED))
        println(Greeter.greet(Greeter.Name("workload")), Greeter.shout(Greeter.Name("loud"); mark="?"))
        in_main(x) = string("from Main: ", x)
        println(in_main(2))
        """)
    return path
end

build(packages, image, project; kwargs...) = create_sysimage(packages; sysimage_path=image,
    project, quiet=true, kwargs...)

"The image of `build`, made in a session on `image`: what the session prints of the report, and writes to `stderr`."
function build_from(image, packages, target, project; code)
    path = join([dirname(@__DIR__), "@stdlib"], ':')
    code = """
        using PackageCompilerRS
        report = create_sysimage($(repr(packages)); sysimage_path=$(repr(target)), project=$(repr(project)))
        $code
        """
    # On an image our package would first be precompiled, which takes longer than its share of the build.
    command = `$JULIA --sysimage=$image --startup-file=no --compiled-modules=no --compile=min -e $code`
    return mktemp() do errors, _
        said = with_variables(CLEAN..., "JULIA_LOAD_PATH" => path) do
            read(pipeline(command; stderr=errors), String)
        end
        (said, read(errors, String))
    end
end

function native_code(image, project)
    text = output(image, project, joinpath(SCRIPTS, "code_instances.jl"))
    found = Dict{String,String}()
    for line in split(something(text, ""), '\n'; keepempty=false)
        kind, signature = split(line, '\t'; limit=2)
        found[signature] = kind
    end
    return found
end

function test_images(fixtures)
    project = write_features(fixtures)
    workload = write_workload(fixtures)
    images = mkpath(joinpath(fixtures, "images"))
    linked = joinpath(images, "L.so")
    answers = joinpath(SCRIPTS, "answers.jl")
    made = Ref{Any}(nothing)

    timed("the report says where the code comes from") do
        log = joinpath(fixtures, "linked.log")
        report = build(NAMED, linked, project; precompile_execution_file=workload, log)
        made[] = report
        @test !occursin(TOO_EARLY, read(log, String))
        how = report.how
        println(PackageCompilerRS.code_summary(how), "; ", how.left_out, " left out")
        @test how.linked && how.not_linked === nothing
        @test isempty(how.refused) && isempty(report.warnings)
        # Julia's own image, in thousands, and more than half of what was not new.
        @test 10_000 < how.from_base < 200_000
        @test 300 < how.from_packages < 20_000
        @test 100 < how.compiled < how.from_base
        # All that is asked for is compiled in 1.10.
        @test VERSION >= v"1.12" || how.left_out == 0
        @test report.base_sysimage == STOCK
        # A closure of a module that `eval` makes, and what the workload has in `Main`.
        lost = [s.text for s in report.statements if s.outcome !== :precompiled && !occursin(r"Scratch|Main\.", s.text)]
        @test isempty(lost) || show_some(lost)
        # The name of the work folder, another in each build.
        named = occursin(".L.so.build-", read(linked, String))
        @test !named
    end
    made[] === nothing && return nothing

    plain = output(STOCK, project, answers)
    timed("answers are those of plain Julia") do
        @test plain !== nothing && count(==('\n'), plain) > 2AMOUNT + 40
        @test same(plain, output(linked, project, answers))
        @test same(plain, output(linked, project, answers; options=`-t2`))
        @test same(plain, output(linked, project, answers; options=`-O0`))
        @test same(plain, output(linked, project, answers; options=`--check-bounds=yes`))
    end

    timed("what was asked for is not compiled again") do
        for code in ("Features.report()", "Generated.results(100, $CALLED)",
            "Greeter.shout(Greeter.Name(\"loud\"); mark=\"?\")")
            rest = still_compiled(linked, project, "using Features, Generated, Greeter\n$code")
            @test isempty(rest) || show_some(rest)
        end
        # What each session runs when it starts and ends, of a package too that no workload loads.
        rest = still_compiled(linked, project, "")
        @test isempty(rest) || show_some(rest)
    end

    VERSION >= v"1.12" && timed("what no session calls is not compiled") do
        # The script of the image process, and the compiler's functions for today's world, which REPL makes invalid.
        @test evaluated(linked, project, """
            is_native(code) = code.max_world == typemax(UInt) && code.invoke != C_NULL
            chain(code) = isdefined(code, :next) ? [code; chain(code.next)] : [code]
            codes(instance) = isdefined(instance, :cache) ? chain(instance.cache) : []
            held(method) = any(instance -> any(is_native, codes(instance)), Base.specializations(method))
            all_methods = Base.MethodList(Core.methodtable).ms
            script = filter(method -> nameof(method.module) === :PackageCompilerRSStaging, all_methods)
            print(count(held, all_methods) > 5_000, ' ', count(held, script), ' ',
                count(held, methods(Base.Compiler.typeinf_ext_toplevel)))
            """) == "true 0 0"
    end

    timed("a session on the image has its prompt at once") do
        # Julia 1.11 took the prompt out of its own image.
        id = "Base.PkgId(Base.UUID(\"3fa0cd96-eef1-5676-8a61-b3b8758bbffb\"), \"REPL\")"
        @test evaluated(linked, project, "print(haskey(Base.loaded_modules, $id))") == "true"
        @test evaluated(linked, project, "print(isdefined(Main, :REPL))") == "false"
    end

    timed("the collector finds all objects of the code") do
        stress = joinpath(SCRIPTS, "stress.jl")
        for threads in ("1", "2")
            @test output(linked, project, `$stress 2`; options=`-t$threads`) == "0 wrong, true"
        end
    end

    if WHOLE
        timed("sessions on the image") do
            sessions(linked, project)
        end
    else
        println("skipped: sessions on the image, without PCRS_TEST_WHOLE=1")
    end
    timed("programs with the image inside") do
        programs(linked, fixtures)
    end
    timed("caches made on the image are loaded again") do
        caches(linked, fixtures)
    end
    # Compiling all takes minutes on Julia 1.12, where most of the standard library is not in the base.
    everything = WHOLE || VERSION < v"1.12-"
    everything || println("skipped: `compile_all`, without PCRS_TEST_WHOLE=1")
    timed("code of a cache that is refused is compiled, and what nobody has asked for if all is wished") do
        refused(fixtures, everything)
    end
    timed("a session on the image builds on what that was built on") do
        image = joinpath(images, "again.so")
        source = joinpath(fixtures, "packages", "Greeter", "src", "Greeter.jl")
        before = read(source, String)
        write(source, replace(before, "Hello, " => "Good day, "))
        said, told = build_from(linked, ["Generated", "Greeter"], image, project; code="""
            print(report.base_sysimage, '\\n', report.how.linked, '\\n', report.how.from_packages)
            """)
        base, how, from_packages = split(said, '\n')
        @test base == STOCK
        @test how == "true"
        @test 0 < parse(Int, from_packages)
        @test occursin("Building on `$STOCK`", told)
        # The package as it is now, whatever the session has.
        greeting = evaluated(image, project, "print(Main.Greeter.greet(Main.Greeter.Name(\"you\")))")
        @test startswith(greeting, "* Good day, you")
        write(source, before)
        @test evaluated(image, project, "print(isdefined(Main, :Generated), isdefined(Main, :Features))") == "truefalse"
        results = "foreach(println, Main.Generated.results(57))"
        @test occursin(something(evaluated(image, project, results)), plain)
    end
    timed("an image on the image") do
        write_package(joinpath(fixtures, "packages", "Tiny"), "Tiny", UUIDS["Tiny"], """
            using Features
            Features.area(x::Int) = 10.0x
            tiny(x) = string(Features.area(x), ' ', Features.report()[1])
            precompile(tiny, (Int,))
            """; deps=["Features" => UUIDS["Features"]])
        packages = joinpath(fixtures, "packages")
        upper = write_project(joinpath(fixtures, "upper"), ["Tiny"], [
            entry("Tiny", at(joinpath(packages, "Tiny")); deps=["Features"]),
            entry("Features", at(joinpath(packages, "Features")); deps=["Featured"]),
            entry("Featured", at(joinpath(packages, "Featured"))),
        ])
        image = joinpath(images, "upper.so")
        report = build("Tiny", image, upper; base_sysimage=linked)
        println(PackageCompilerRS.code_summary(report.how))
        @test report.how.linked && report.base_sysimage == linked
        @test report.how.from_base > made[].how.from_base + made[].how.from_packages
        @test report.how.compiled < 2000
        @test evaluated(image, upper, "print(Main.Tiny.tiny(2))") == "20.0 generated: 14 70"
        @test same(plain, output(image, project, answers))
        @test isempty(still_compiled(image, upper, "Main.Tiny.tiny(2)"))
    end

    if WHOLE
        full_image(fixtures, project, workload, linked, plain, made[])
    else
        println("skipped: the comparison with a full image, without PCRS_TEST_WHOLE=1")
    end
    return nothing
end

"What a full image answers and holds, against what the linked one does."
function full_image(fixtures, project, workload, linked, plain, report)
    full = get(ENV, "PCRS_TEST_FULL", joinpath(fixtures, "images", "F.so"))
    timed("a full image") do
        isfile(full) || build(NAMED, full, project; precompile_execution_file=workload, linked=false)
        answers = joinpath(SCRIPTS, "answers.jl")
        @test same(plain, output(full, project, answers))
        @test same(plain, output(full, project, answers; options=`-t2`))
    end
    timed("native code that the full image has") do
        wanted, held = native_code(full, project), native_code(linked, project)
        @test length(wanted) > 10_000
        gone = sort!([kind * ' ' * text for (text, kind) in wanted if !haskey(held, text) && kind != "constant"])
        println(length(wanted), " code instances in the full image, ", length(held), " in the linked one; ",
            length(gone), " only in the full one:")
        foreach(line -> println("    ", first(line, 150)), first(gone, 40))
        # A callee that only its caller's cache has, under no name that another could call, and on 1.12 what
        # nobody has asked for.
        @test length(gone) <= 20 + report.how.left_out
        # Of the packages that are named, nothing; and where all that is asked for is compiled, nothing for their types.
        VERSION >= v"1.12" || @test !any(line -> occursin("Generated.", line) || occursin("Features.", line), gone)
        named = filter(line -> occursin(r"^\w+ Tuple\{(typeof\(|Type\{|var\")?(Generated|Features)\.", line), gone)
        @test isempty(named) || show_some(named)
    end
    return nothing
end

function sessions(linked, project)
    @test evaluated(linked, project, """
        using Distributed
        worker = only(addprocs(1; exeflags="--project=$(project)"))
        image = remotecall_fetch(() -> unsafe_string(Base.JLOptions().image_file), worker)
        @everywhere using Features
        print(image == $(repr(linked)), ' ', remotecall_fetch(() -> Features.report()[1], worker), ' ',
            pmap(x -> Features.area(Features.Square(x)), [1.0, 2.0]))
        rmprocs(worker)
        """) == "true generated: 14 70 [1.0, 4.0]"
    @test evaluated(linked, project, """
        using REPL, Pkg, LinearAlgebra, Dates, Statistics, Markdown, Test, Random, Serialization
        term = REPL.Terminals.TTYTerminal("dumb", IOBuffer("1 + 2\\n"), IOBuffer(), IOBuffer())
        repl = REPL.LineEditREPL(term, true)
        REPL.setup_interface(repl)
        print(REPL.completions("Features.opaque_cl", 18)[1][1].method === nothing)
        """ |> code -> replace(code, ".method === nothing" => " |> REPL.completion_text")) == "opaque_closure"
    status = evaluated(linked, project, """
        using Pkg, LinearAlgebra
        Pkg.status(; io=stdout)
        print(det([2.0 1; 1 3]), ' ', haskey(Pkg.dependencies(), Base.UUID($(repr(UUIDS["Features"])))))
        """)
    @test occursin("Greeter v1.2.0", something(status, ""))
    @test endswith(something(status, ""), "5.0 true")
    @test evaluated(linked, project, """
        using Profile, Features
        f(n) = sum(i -> sum(sort!(rand(100); rev=true)) + length(Features.spaced(i, "a"; times=2)), 1:n)
        f(10)
        for _ in 1:20
            @profile f(20_000)
            Profile.len_data() > 500 && break
        end
        io = IOBuffer()
        Profile.print(io; format=:flat)
        text = String(take!(io))
        print(all(name -> occursin(name, text), ("Features.jl", "sort.jl", "spaced")))
        """) == "true"
    trace = evaluated(linked, project, """
        using Features, Featured
        try
            Featured.each(x -> parse(Int, x), ["1", "x"])
        catch err
            Base.showerror(stdout, err, catch_backtrace())
        end
        """)
    @test trace !== nothing
    for part in ("invalid base 10 digit", r"tryparse_internal\(.*\n.*parse.jl:\d", r" each\(.*\n.*Featured.jl:\d", r" (map|_collect)\(.*\n.*array.jl:\d")
        @test occursin(part, trace)
    end
    @test evaluated(linked, project, """
        using Libdl
        image = dlopen($(repr(linked)))
        print(ccall(dlsym(image, :pcrs_features_twice), Cint, (Cint,), 4), ' ',
            dlpath(image) == $(repr(linked)))
        """) == "8 true"
    return nothing
end

"C programs that link the image, or open it before Julia does."
function programs(linked, fixtures)
    compiler = Sys.which("cc")
    if compiler === nothing
        println("skipped: there is no C compiler for the programs that embed Julia")
        return nothing
    end
    source = joinpath(SCRIPTS, "host.c")
    julia = Libdl.dlpath("libjulia")
    private = abspath(Sys.BINDIR, Base.PRIVATE_LIBDIR)
    paths = ["-Wl,-rpath,$(dirname(julia))", "-Wl,-rpath-link,$private", "-Wl,-rpath,$(dirname(linked))"]
    for (name, options) in ("links" => ["-DIMAGE_IS_LINKED", linked], "opens" => String[])
        program = joinpath(fixtures, name)
        run(`$compiler -o $program $source $options $paths $julia -ldl`)
        # An image of a folder of its own finds the rest of Julia no other way. (Where Julia was built, that lies
        # beside libjulia.)
        command = addenv(`$program $(Sys.BINDIR) $linked`, "LD_LIBRARY_PATH" => "$private:$(dirname(julia))")
        @test read(command, String) == "42 28 FeatureError at x = 3"
    end
    return nothing
end

"An image of a cache that is not to be linked in, of one that calls it, and of one that has nothing to do with it."
function refused(fixtures, everything)
    packages = joinpath(fixtures, "packages")
    write_package(joinpath(packages, "Caller"), "Caller", UUIDS["Caller"], """
        using Featured
        called(x) = string("caller: ", Featured.advised(x), ' ', Featured.ranked([1.0, x]))
        precompile(called, (Int,))
        """; deps=["Featured" => UUIDS["Featured"]])
    project = write_project(joinpath(fixtures, "refused"), ["Caller", "Generated"], [
        entry("Caller", at(joinpath(packages, "Caller")); deps=["Featured"]),
        entry("Featured", at(joinpath(packages, "Featured"))),
        entry("Generated", at(joinpath(packages, "Generated"))),
    ])
    image = joinpath(fixtures, "images", "refused.so")
    report = withenv("PCRS_LINKED_REFUSE" => "/Featured/") do
        build(["Caller", "Generated"], image, project; compile_all=everything)
    end
    reasons = Dict(basename(dirname(r.path)) => r.reason for r in report.how.refused)
    println(join(("$name: $reason" for (name, reason) in reasons), "; "))
    @test report.how.linked && report.how.from_packages > 50
    @test !everything || report.how.left_out == 0
    @test Set(keys(reasons)) == Set(["Featured", "Caller"])
    @test occursin("refuses", reasons["Featured"])
    asked = "using Caller, Generated\nprint(Caller.called(3), Caller.Featured.described(), Generated.results(57))"
    @test same(evaluated(STOCK, project, asked), evaluated(image, project, asked))
    rest = still_compiled(image, project, "using Caller\nCaller.called(3), Caller.Featured.described()")
    @test isempty(rest) || show_some(rest)
    return nothing
end

"A package that is no part of the image, and needs one that is."
function caches(linked, fixtures)
    packages = joinpath(fixtures, "packages")
    depot = mkpath(joinpath(fixtures, "depot"))
    code = """
        using Features
        struct Point <: Features.Shape
        end
        Features.area(::Point) = 0.5
        tiny(x) = string(Features.keywords(), ' ', sum(Features.area, Features.Shape[Point(), Features.Square(x)]))
        fails() = Features.frames(() -> Features.through_base([3]))
        precompile(tiny, (Int,))
        precompile(fails, ())
        """
    write_package(joinpath(fixtures, "apart", "Tiny"), "Tiny", UUIDS["Tiny"], code; deps=["Features" => UUIDS["Features"]])
    project = write_project(joinpath(fixtures, "apart", "project"), ["Tiny"], [
        entry("Tiny", at(joinpath(fixtures, "apart", "Tiny")); deps=["Features"]),
        entry("Features", at(joinpath(packages, "Features")); deps=["Featured"]),
        entry("Featured", at(joinpath(packages, "Featured"))),
    ])
    variables = ("JULIA_DEPOT_PATH" => join([depot; DEPOT_PATH], ':'),)
    ask() = evaluated(linked, project, "using Tiny; print(Tiny.tiny(2), ' ', Tiny.fails()[1])"; variables)
    folder = joinpath(depot, "compiled", "v$(VERSION.major).$(VERSION.minor)")
    tiny = joinpath(folder, "Tiny")
    # Julia touches a cache that it takes.
    files() = isdir(tiny) ? Dict(file => hash(read(joinpath(tiny, file))) for file in readdir(tiny)) : Dict()
    @test isempty(files())
    expected = "a b 3 0|x-yx-y 0| 2 4.5 fails@Features.jl:"
    text = ask()
    @test text !== nothing && startswith(text, expected)
    made = files()
    @test sort!([splitext(file)[2] for file in keys(made)]) == [".ji", ".so"]
    @test ask() == text
    @test files() == made
    # Native code of the cache is used: no more is compiled than for what is asked.
    rest = withenv(() -> still_compiled(linked, project, "using Tiny; Tiny.tiny(2); Tiny.fails()"), variables...)
    @test isempty(rest) || show_some(rest)
    @test readdir(folder) == ["Tiny"]
    return nothing
end

"""
Two packages whose caches both have a code instance of a method of Julia's, one of them with native code, and
one that has no cache.
"""
function test_specialised_twice(fixtures)
    packages = joinpath(fixtures, "packages")
    same_pair(x) = "precompile(same_pair, (Tuple{Int8,Int16}, Tuple{Int8,Int16}))\n$x"
    define = "same_pair(a, b) = isequal(a, b)\n"
    write_package(joinpath(packages, "Inlines"), "Inlines", UUIDS["Inlines"], define * same_pair(""))
    write_package(joinpath(packages, "Takes"), "Takes", UUIDS["Takes"], define *
        same_pair("precompile(isequal, (Tuple{Int8,Int16}, Tuple{Int8,Int16}))"))
    write_package(joinpath(packages, "Uncached"), "Uncached", UUIDS["Uncached"], """
        __precompile__(false)
        cube(x) = string("cube ", x * x * x)
        quiet(x) = join(sort!(collect(x); by=abs), '|')
        precompile(quiet, (Set{Int16},))
        """)
    names = ["Inlines", "Takes", "Uncached"]
    project = write_project(joinpath(fixtures, "twice"), names,
        [entry(name, at(joinpath(packages, name))) for name in names])
    statements = joinpath(fixtures, "cube.jl")
    write(statements, "precompile(Tuple{typeof(Uncached.cube), Int64})\n")
    made = Ref{Any}(nothing)
    timed("what the cache of a later package has compiled") do
        image = joinpath(fixtures, "twice.so")
        report = made[] = build(names, image, project; precompile_statements_file=statements)
        @test report.how.linked
        rest = still_compiled(image, project, "Base.invokelatest(isequal, (Int8(1), Int16(2)), (Int8(1), Int16(2)))")
        @test !any(line -> occursin("isequal", line), rest) || show_some(rest)
        # No workload and no statement: the package asks for it itself.
        rest = still_compiled(image, project, """
            const PAIR = (Int8(1), Int16(2))
            Inlines.same_pair(PAIR, PAIR), Takes.same_pair(PAIR, PAIR)
            """)
        @test !any(line -> occursin("same_pair", line), rest) || show_some(rest)
    end
    made[] === nothing && return nothing
    timed("a package that does not let itself be precompiled") do
        image = joinpath(fixtures, "twice.so")
        @test length(made[].warnings) == 1 && occursin("`Uncached`", only(made[].warnings))
        @test [s.outcome for s in made[].statements if occursin("cube", s.text)] == [:precompiled]
        @test evaluated(image, project, "using Uncached; print(Uncached.cube(3))") == "cube 27"
        rest = still_compiled(image, project, "const SMALL = Set(Int16[1, -2]); Uncached.quiet(SMALL); Uncached.cube(3)")
        @test !any(line -> occursin("Uncached", line), rest) || show_some(rest)
        # Julia makes the folder before it is refused.
        cached(name) = filter(endswith(".ji"), readdir(mkpath(joinpath(DEPOT_PATH[1], "compiled",
            "v$(VERSION.major).$(VERSION.minor)", name))))
        @test isempty(cached("Uncached"))
        # A quiet image does nothing when it is started.
        @test isempty(made[].at_start.compiled) && made[].at_start.lines == 0
        # Sessions on the image let no such package be cached either.
        write_package(joinpath(fixtures, "later", "Later"), "Later", UUIDS["Later"], "__precompile__(false)")
        later = write_project(joinpath(fixtures, "later", "project"), ["Later"],
            [entry("Later", at(joinpath(fixtures, "later", "Later")))])
        @test evaluated(image, later, "using Later; print(Later)") == "Later"
        @test isempty(cached("Later"))
    end
    return nothing
end

"What is asked of an image, its project without a package: files of statements, and a script's functions."
function test_no_packages(fixtures)
    project = mkpath(joinpath(fixtures, "empty"))
    foreach(name -> touch(joinpath(project, name)), ("Project.toml", "Manifest.toml"))
    script = joinpath(fixtures, "in_main.jl")
    write(script, """
        cheer(text) = uppercase(text) * "!"
        const HEAP = Base.JLOptions().heap_size_hint
        """)
    # The same in both is one statement.
    files = [joinpath(fixtures, "statements$n.jl") for n in 1:2]
    peek = "precompile(Tuple{typeof(Base.peek), Base.IOStream})\n"
    write(files[1], peek, "precompile(Tuple{typeof(Base.hypot), Int8, Int8})\n")
    write(files[2], peek, "precompile(Tuple{typeof(Base.hypot), Int16, Int16})\n")
    image = joinpath(fixtures, "none.so")
    timed("an image of no package, with statements of two files and a script") do
        before = readdir(DEPOT_PATH[1])
        report = build(String[], image, project; precompile_statements_file=files, script,
            sysimage_build_args=`--heap-size-hint=3G`)
        @test report.how.linked
        @test names_of(report.packages) == []
        given = filter(s -> occursin(r"typeof\(Base\.(peek|hypot)\)", s.text), report.statements)
        @test [s.outcome for s in given] == fill(:precompiled, 3)
        # But for caches, and the log that Pkg keeps of Manifests.
        @test setdiff(readdir(DEPOT_PATH[1]), before) ⊆ ["compiled", "logs"]
        @test evaluated(image, project, "print(cheer(\"hello\"), HEAP)") == "HELLO!$(3 << 30)"
        # No name of Base that the build has used is taken.
        taken = "read = 1; joinpath() = 2; isempty = dirname = Module = String = Sys = ARGS = 3; Core.print(read, joinpath())"
        @test evaluated(image, project, taken) == "12"
        rest = still_compiled(image, project, """
            const FILE = open($(repr(script)))
            peek(FILE)
            hypot(Int8(3), Int8(4)), hypot(Int16(3), Int16(4))
            """)
        @test !any(line -> occursin(r"\{typeof\(Base\.(peek|hypot)\)", line), rest) || show_some(rest)
        there = """
            foreach(println, (LOAD_PATH, DEPOT_PATH, Base.load_path(), Base.active_project(), ARGS, Base.PROGRAM_FILE,
                Sys.BINDIR, Sys.STDLIB))
            """
        for variables in ((), ("JULIA_DEPOT_PATH" => "/a:/b", "JULIA_LOAD_PATH" => "@:/c:@stdlib"))
            plain = evaluated(STOCK, project, there; variables)
            @test same(plain, evaluated(image, project, there; variables))
        end
    end
    return nothing
end

"A CPU by its name, and no metadata. The base has code for this one, whatever it is called."
function test_named_cpu(fixtures)
    folder = write_package(joinpath(fixtures, "named", "Named"), "Named", UUIDS["Named"], """
        named(x) = join(sort!(map(abs, x)), '<')
        precompile(named, (Vector{Int16},))
        """)
    project = write_project(joinpath(fixtures, "named", "project"), ["Named"], [entry("Named", at(folder))])
    image = joinpath(fixtures, "named.so")
    timed("an image for a CPU by its name") do
        # Julia masks these two for every CPU, so that this is no other one (src/processor_x86.cpp, `arg_target_data`).
        report = build("Named", image, project; cpu_target="native,-rdrnd,-rdseed", include_stdlibs=[],
            sysimage_build_args=`--strip-metadata`)
        @test report.how.linked && report.how.refused == []
        @test report.how.from_base > 10_000 && report.how.from_packages == 0
        @test evaluated(image, project, "using Named; print(Named.named(Int16[2, -1]))") == "1<2"
        rest = still_compiled(image, project, "const SMALL = Int16[2, -1]; Named.named(SMALL)")
        @test !any(line -> occursin("Named", line), rest) || show_some(rest)
        # Sessions would take native code for another CPU, if theirs can run it.
        caches = readdir(joinpath(DEPOT_PATH[1], "compiled", "v$(VERSION.major).$(VERSION.minor)", "Named"))
        @test !isempty(caches) && all(endswith(".ji"), caches)
        # Without those of Julia, docstrings can be added and asked for.
        docs = "\"as told\" later(x) = x; print(@doc(later), @doc(sin) === nothing)"
        @test occursin("as told", evaluated(image, project, docs))
        # The image has no stamp of its own.
        path = join([dirname(@__DIR__), "@stdlib"], ':')
        base = "using PackageCompilerRS; print(PackageCompilerRS.session_base(PackageCompilerRS.Options(; quiet=true)))"
        @test output(image, project, `-e $base`; options=`--compiled-modules=no --compile=min`,
            variables=("JULIA_LOAD_PATH" => path,)) == STOCK
    end
    return nothing
end

"The CPUs that Julia's own image has code for (`jl_image_pointers` in src/processor.h)."
function cpus_of_stock()
    pointers = Ptr{Ptr{UInt8}}(Libdl.dlsym(Libdl.dlopen(STOCK), :jl_image_pointers))
    # More than they take.
    targets = Base.parse_image_targets(unsafe_wrap(Array, unsafe_load(pointers, 5), 4096))
    return [replace(String(target.name), "x86-64" => "generic") for target in targets]
end

"Several CPUs in one image, where Julia's own has code for just these, as the binaries of julialang.org do."
function test_several_targets(fixtures)
    target = PackageCompilerRS.default_app_cpu_target()
    wanted = [String(first(split(each, ','))) for each in split(target, ';')]
    held = cpus_of_stock()
    if first(held, length(wanted)) != wanted
        println("skipped: several CPUs in one image, as Julia's own has code for ", join(held, ", "))
        return nothing
    end
    project = write_features(fixtures)
    image = joinpath(fixtures, "several.so")
    answers = joinpath(SCRIPTS, "answers.jl")
    timed("an image for several CPUs in one") do
        report = build(NAMED, image, project; cpu_target=target, precompile_execution_file=write_workload(fixtures))
        @test report.how.linked && report.how.refused == []
        @test report.how.from_base > 10_000 && report.how.from_packages == 0
        plain = output(STOCK, project, answers)
        for cpu in [wanted; "native"]
            @test same(plain, output(image, project, answers; options=`--cpu-target=$cpu`))
        end
        rest = still_compiled(image, project, "using Features, Generated, Greeter\nGenerated.results(100, $CALLED)")
        @test isempty(rest) || show_some(rest)
        stress = joinpath(SCRIPTS, "stress.jl")
        @test output(image, project, `$stress 2`; options=`-t2`) == "0 wrong, true"
    end
    return nothing
end

"A registered package beside one that is edited: the first is in a layer that later builds take."
function test_layers(fixtures)
    depot = joinpath(fixtures, "registered")
    hash = "0123456789abcdef0123456789abcdef01234567"
    slug = Base.version_slug(Base.UUID(UUIDS["Settled"]), Base.SHA1(hash))
    write_package(joinpath(depot, "packages", "Settled", slug), "Settled", UUIDS["Settled"], """
        settled(x) = sum(i -> i * x, 1:10)
        "Compiled for no other reason than that somebody calls it."
        kept(x) = join(sort!(collect(x); rev=true), '/')
        registered(x) = string(hook(x), ' ', settled(1))
        hook(x) = "settled"
        precompile(settled, (Int,))
        precompile(registered, (Int,))
        """)
    write_package(joinpath(fixtures, "edited"), "Edited", UUIDS["Edited"], """
        using Settled
        answer(x) = string("edited ", NUMBER, ": ", Settled.settled(x), ' ', Settled.registered(x), ' ', local_only(x))
        for name in ("number", "hook")
            include(joinpath(dirname(@__DIR__), "parts", name * ".jl"))
        end
        precompile(answer, (Int,))
        """; deps=["Settled" => UUIDS["Settled"]])
    # Files that only running the package tells, outside of its `src`: Julia's cache of it lists them.
    parts = mkpath(joinpath(fixtures, "edited", "parts"))
    function edited(number)
        write(joinpath(parts, "number.jl"), "const NUMBER = $number\nlocal_only(x) = x + $number\n")
        write(joinpath(parts, "hook.jl"), number == 2 ? "Settled.hook(x::Int) = \"hooked\"\n" : "")
        return nothing
    end
    edited(1)
    project = write_project(joinpath(fixtures, "layered"), ["Settled", "Edited"], [
        entry("Settled", "git-tree-sha1 = \"$hash\""),
        entry("Edited", at(joinpath(fixtures, "edited")); deps=["Settled"]),
    ])
    workload = joinpath(fixtures, "layered.jl")
    write(workload, """
        using Settled, Edited
        println(Edited.answer(1), Settled.kept(Set([1.5, 2.5])), Settled.kept([1, 2]), Settled.registered(1))
        """)
    image = joinpath(fixtures, "layered.so")
    layers() = sum(k.entries for k in cache_info().kinds if k.kind === :layer; init=0)
    make() = build(["Settled", "Edited"], image, project; precompile_execution_file=workload)
    native(image) = still_compiled(image, project,
        "using Settled; const ALL = Set([1.5, 2.5]); Settled.kept(ALL); Settled.kept([1, 2]); Settled.settled(1)")
    owners(report) = Set(something(row.package, row.owner) for row in report.sizes if row.part === :code)
    function whose(report, made)
        @test sum(row.bytes for row in report.sizes) == report.image_size == filesize(image)
        @test setdiff(owners(report), PROMPT) == Set([:base, :layer, :new, "Settled", "Edited"])
        @test any(row -> row.part === :heap, report.sizes)
        @test report.how.layer.made == made && "Settled" in report.how.layer.packages
        @test !("Edited" in report.how.layer.packages)
        layer = report.how.layer
        @test report.how.from_base > layer.from_base + layer.from_packages
        @test layer.from_packages > 0 && isempty(layer.refused)
        @test any(span -> span.layer && span.kind === :process, report.timeline) == made
    end
    asked(report) = Set(s.text for s in report.statements if s.outcome === :precompiled)

    old = copy(DEPOT_PATH)
    push!(DEPOT_PATH, depot)
    try
        withenv("JULIA_DEPOT_PATH" => join(DEPOT_PATH, ':'), "PCRS_CACHE_DIR" => joinpath(fixtures, "cache")) do
            first_build, second_build = Ref{Any}(nothing), Ref{Any}(nothing)
            timed("the first build makes a layer") do
                @test layers() == 0
                report = first_build[] = make()
                @test report.how.linked && report.origin === :built
                @test isempty(report.warnings)
                @test layers() == 1
                whose(report, true)
                @test evaluated(image, project, "using Edited; print(Edited.answer(1))") == "edited 1: 55 settled 55 2"
                @test isempty(native(image))
            end
            first_build[] === nothing && return nothing
            timed("the second build takes the layer") do
                edited(2)
                changes = sysimage_status(image; project=project)
                @test changes.state === :stale && any(p -> p.name == "Edited", changes.problems)
                report = second_build[] = make()
                @test report.how.linked && report.origin === :built
                @test layers() == 1
                whose(report, false)
                println(first_build[].how, "\n", report.how)
                # Code that the edit invalidates is not taken from the layer.
                @test evaluated(image, project, "using Edited; print(Edited.answer(1))") == "edited 2: 55 hooked 55 3"
                @test evaluated(image, project, "using Settled; print(Settled.registered(1), Settled.registered(\"\"))") == "hooked 55settled 55"
                @test isempty(native(image))
                lost = setdiff(asked(first_build[]), asked(report))
                @test isempty(lost) || show_some(lost)
                @test report.base_sysimage == STOCK
                println(join(("$(s.stage) $(round(s.seconds; digits=1))" for s in first_build[].stages), ", "), "; then ",
                    join(("$(s.stage) $(round(s.seconds; digits=1))" for s in report.stages), ", "))
            end
            timed("nothing changed") do
                @test make().origin === :up_to_date
            end
        end
    finally
        copy!(DEPOT_PATH, old)
    end
    return nothing
end

function test_all()
    why = missing_here()
    if why !== nothing
        println("skipped: linked images: ", why)
        return nothing
    end
    with_fixtures() do fixtures
        withenv("PCRS_CACHE_DIR" => "", "PCRS_LINKED_REFUSE" => nothing, "PCRS_LINKED_FAIL_AT" => nothing) do
            test_images(fixtures)
            test_no_packages(fixtures)
            test_specialised_twice(fixtures)
            test_named_cpu(fixtures)
            test_several_targets(fixtures)
            test_layers(fixtures)
        end
    end
    return nothing
end

end

LinkedImages.test_all()
