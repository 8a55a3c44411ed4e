# Apps: what is refused, and a bundle that runs from another place, as another program would call it.

module Apps

using PackageCompilerRS
using PackageCompilerRS: LIBRARIES_OF, Libdl, bundle_artifacts, check_target, checked_executables, copy_folder, copy_library,
    in_work_folder, is_version_of, library_folders, library_names, library_versions, loaded_by, packages_of_image, part_of, parts_of,
    read_toml, replace_folder, runtime_libraries, stems, toml, unlike_bundle, wanted_libraries, work_prefix
using Test
using ..Main: CLEAN, FIXTURES, HASH, LINKABLE, downloadable_nowhere, run_app, while_something_comes, with_fixtures, with_herald,
    with_variables

"What `f` throws, as users read it."
function refusal(f)
    try
        f()
    catch err
        err isa BuildError || rethrow()
        return sprint(showerror, err)
    end
    return "nothing was thrown"
end

@testset "an older Julia is refused with those that serve" begin
    if VERSION < v"1.10"
        text = refusal(() -> create_app(joinpath(FIXTURES, "packages", "Herald"), "nowhere"))
        @test occursin("cannot be made with Julia $VERSION", text)
        @test occursin("use Julia 1.10 or newer", text)
        @test !ispath("nowhere")
    end
end

@testset "what is added to an image is looked up in the world that has it" begin
    # Julia 1.12 warns of a name that is younger than the function which asks for it, and later ones throw.
    staging = joinpath(dirname(@__DIR__), "rust", "engine", "src", "staging")
    code = """
        module Staging end
        foreach(file -> Base.include(Staging, joinpath($(repr(staging)), file)), ("session.jl", "image_process.jl"))
        id = Base.PkgId(Base)
        Core.eval(Staging, quote
            stamp_image("a stamp")
            set_guard(["11111111-aaaa-4aaa-8aaa-000000000001\tGreeter\t1.0.0\t\t"], $(repr(staging)))
            set_app([$(Expr(:$, :id))], ["sin"], $(repr(staging)))
        end)
        print(Base.PACKAGECOMPILERRS_STAMP[], ' ', isdefined(Base, :PackageCompilerRSGuard))
        """
    julia = joinpath(Sys.BINDIR, Base.julia_exename())
    @test read(`$julia --startup-file=no --depwarn=error -e $code`, String) == "a stamp true"
end

@testset "executables" begin
    @test checked_executables(nothing) === nothing
    @test checked_executables("a" => :f) == ["a" => "f"]
    @test checked_executables(["a" => "f", "b c" => "g"]) == ["a" => "f", "b c" => "g"]
    for (given, told) in (("a" => "f; g", "names the function `f; g`"), ("x/y" => "f", "`x/y`, which no file"),
                          ("julia" => "f", "cannot be called `julia`"), (["a" => "f", "a" => "g"], "a name twice"),
                          ([], "is empty"), ("name", "must be a vector of pairs"), (["name"], "must hold pairs"))
        @test occursin(told, refusal(() -> checked_executables(given)))
    end
end

@testset "preferences as TOML" begin
    table = Dict("b" => 1, "a" => Dict("x y" => "q\"\\\n", "l" => [true, false], "t" => Dict("k" => "é")))
    text = toml(table)
    @test text == "b = 1\n\n[a]\nl = [true, false]\n\"x y\" = \"q\\\"\\\\\\u000a\"\n\n[a.t]\nk = \"é\"\n"
    mktempdir() do dir
        file = joinpath(dir, "x.toml")
        write(file, text)
        @test read_toml(file) == table
    end
    @test occursin("a preference is", refusal(() -> toml(Dict("a" => nothing))))
end

@testset "libraries by name" begin
    for name in ("libgmp.so", "libgmp.so.10", "libgmp.so.10.4.1")
        @test is_version_of(name, "libgmp")
    end
    @test is_version_of("libopenblas64_.so", "libopenblas")
    @test is_version_of("libLLVM-15jl.so", "libLLVM")
    @test !is_version_of("libgmpxx.so.4", "libgmp")
    @test !is_version_of("libjulia-internal.so.1.10", "libjulia")
    if VERSION >= v"1.10"
        loaded = basename.(loaded_by(runtime_libraries()[1]))
        @test any(name -> startswith(name, "libjulia-internal."), loaded)
        @test all(name -> startswith(name, "lib"), loaded)
        # Where it is not known which packages there are, all that they may need, and nothing else.
        all_stems = Set(stems(nothing, runtime_libraries()[1]))
        @test reduce(vcat, values(LIBRARIES_OF)) ⊆ all_stems
        @test all_stems == Set(stems(keys(LIBRARIES_OF), runtime_libraries()[1]))
    end
end

@testset "where libraries lie" begin
    mktempdir() do dir
        lib = mkpath(joinpath(realpath(dir), "lib"))
        below, system = mkpath.(joinpath.(lib, ("julia", "system")))
        @test library_folders(lib, below) == [below]
        # As where Julia was built.
        @test library_folders(lib, lib) == [lib, below]
        touch.((joinpath(lib, "libopenlibm.so"), joinpath(below, "libgmp.so.10"), joinpath(system, "libgmp.so"),
            joinpath(system, "libmpfr.so.6"), joinpath(system, "libz.so")))
        symlink(joinpath(dir, "nowhere"), joinpath(below, "libpcre2-8.so"))
        stems = ["libopenlibm", "libgmp", "libmpfr", "libpcre2-8"]
        @test wanted_libraries([lib, below], stems, joinpath.(system, readdir(system))) ==
              [joinpath(lib, "libopenlibm.so"), joinpath(below, "libgmp.so.10"), joinpath(system, "libmpfr.so.6")]
    end
end

@testset "names of one library stay links" begin
    mktempdir() do dir
        from, elsewhere, to = mkdir.(joinpath.(dir, ("from", "elsewhere", "to")))
        write(joinpath(from, "libx.so.1.2"), "x")
        symlink("libx.so.1.2", joinpath(from, "libx.so"))
        write(joinpath(elsewhere, "liby-real.so"), "y")
        symlink(joinpath(elsewhere, "liby-real.so"), joinpath(from, "liby.so"))
        symlink(joinpath(elsewhere, "liby-real.so"), joinpath(from, "liby.so.3"))
        copies = Dict{String,String}()
        foreach(name -> copy_library(joinpath(from, name), to, copies), readdir(from))
        @test readlink(joinpath(to, "libx.so")) == "libx.so.1.2"
        @test !islink(joinpath(to, "liby.so")) && read(joinpath(to, "liby.so"), String) == "y"
        @test readlink(joinpath(to, "liby.so.3")) == "liby.so"
        copy_library(joinpath(from, "libx.so"), to, copies; name="libx.so.1")
        @test readlink(joinpath(to, "libx.so.1")) == "libx.so.1.2"
        # By which others may load it.
        @test readlink(joinpath(to, "liby-real.so")) == "liby.so"
        # Where links were lost, each name is a file.
        write(joinpath(from, "libz.so"), "z")
        cp(joinpath(from, "libz.so"), joinpath(from, "libz.so.7"))
        foreach(name -> copy_library(joinpath(from, name), to, copies), ("libz.so", "libz.so.7"))
        @test !islink(joinpath(to, "libz.so")) && readlink(joinpath(to, "libz.so.7")) == "libz.so"
    end
end

@testset "names of a library" begin
    ext = Libdl.dlext
    @test library_names("count", library_versions(nothing, "major")).file == "libcount.$ext"
    names = library_names("libcount", library_versions(v"1.2.3", "major"))
    @test names == (stem="libcount", plain="libcount.$ext", soname="libcount.$ext.1", file="libcount.$ext.1.2.3")
    @test library_names("count", library_versions("1.2.3", "minor")).soname == "libcount.$ext.1.2"
    @test library_names("count", library_versions(v"1.2.3", "patch")).soname == "libcount.$ext.1.2.3"
    @test occursin("use one of \"major\"", refusal(() -> library_versions(v"1", "some")))
    @test occursin("`version` is \"one\"", refusal(() -> library_versions("one", "major")))
end

"The number of a process that has ended."
dead_pid() = parse(Int, readchomp(`sh -c 'echo $$'`))

@testset "a folder is replaced as a whole" begin
    if Sys.islinux()
        mktempdir() do dir
            new, old = mkdir.(joinpath.(dir, ("new", "old")))
            touch(joinpath(new, "of new"))
            touch(joinpath(old, "of old"))
            replace_folder(new, old)
            @test readdir(old) == ["of new"]
        end
    end
end

"Makes empty files at `paths` below `folder`, and gives that."
function with_files(folder, paths...)
    for path in paths
        touch(joinpath(mkpath(joinpath(folder, dirname(path))), basename(path)))
    end
    return folder
end

@testset "only what holds nothing but a bundle is replaced" begin
    mktempdir() do dir
        place(name) = joinpath(dir, name)
        table = "share/julia/app.json"
        app = ("bin/App", "bin/julia", "lib/libjulia.so.1", "lib/julia/sys.so", "share/julia/artifacts/0/x", table)
        @test unlike_bundle(with_files(place("app"), app..., "README")) === nothing
        @test unlike_bundle(with_files(place("library"), "include/julia_init.h", "lib/pkgconfig/libx.pc",
            "lib/julia/libgmp.so", "libexec/julia/7z", "share/julia/stdlib/v1.10/Dates/Project.toml", table)) === nothing
        # PackageCompiler's.
        packed = ("lib/libjulia.so.1", "lib/julia/sys.so", "libexec/julia/7z", "share/julia/Project.toml",
            "share/julia/cert.pem", "share/julia/LocalPreferences.toml")
        @test unlike_bundle(with_files(place("pc"), "bin/App", packed...)) === nothing
        @test unlike_bundle(with_files(place("pc library"), "include/julia_init.h", packed...)) === nothing
        for (name, files, why) in (
                ("usual", ("lib/julia/x",), "it has no `share/julia/app.json`"),
                ("prefix", (packed..., "bin/App", "etc/x"), "it holds `etc`"),
                ("file", (packed..., "mine"), "it holds `mine`"),
                ("folder", (app..., "data/mine"), "it holds `data`"),
                ("share", (app..., "share/man/x"), "it holds `share/man`"),
                ("lib", (app..., "lib/python3/x"), "it holds `lib/python3`"),
                ("julia", (packed..., "share/julia/base/sysimg.jl"), "as installations of Julia do"),
                ("headers", (packed..., "include/julia/julia.h"), "`include/julia`, as installations"),
                ("stdlib", (app..., "share/julia/stdlib/v1.10/Dates/src/Dates.jl"), "Dates/src`, as installations"))
            @test occursin(why, something(unlike_bundle(with_files(place(name), files...)), "nothing"))
        end
        @test unlike_bundle(abspath(Sys.BINDIR, "..")) !== nothing
    end
end

@testset "a copied folder does not lead out of itself" begin
    mktempdir() do dir
        dir = realpath(dir)
        store = with_files(joinpath(dir, "store"), "lib/libx.so.1", "bin/run")
        symlink("libx.so.1", joinpath(store, "lib", "libx.so"))
        symlink(joinpath(store, "lib"), joinpath(store, "lib64"))
        symlink("nowhere", joinpath(store, "dangling"))
        symlink("..", joinpath(store, "up"))
        outside = with_files(joinpath(dir, "outside"), "file", "folder/x")
        symlink("file", joinpath(outside, "same"))
        symlink(joinpath(outside, "same"), joinpath(store, "file"))
        symlink(outside, joinpath(store, "folder"))
        symlink(store, joinpath(dir, "link"))
        copy = copy_folder(joinpath(dir, "link"), joinpath(dir, "copy"))
        @test !islink(copy) && isfile(joinpath(copy, "bin", "run"))
        links = ["lib/libx.so" => "libx.so.1", "lib64" => "lib", "dangling" => "nowhere", "up" => "..",
            "folder/same" => "file"]
        for (link, leads_to) in links
            @test readlink(joinpath(copy, link)) == leads_to
        end
        for path in ("file", "folder", "folder/file", "folder/folder/x")
            @test ispath(joinpath(copy, path)) && !islink(joinpath(copy, path))
        end
    end
end

@testset "the work of a killed build is removed, that of others is not" begin
    if Sys.islinux()
        mktempdir() do dir
            target = joinpath(dir, "app")
            remains = joinpath(dir, string(work_prefix(target), dead_pid(), "-x"))
            alive = joinpath(dir, string(work_prefix(target), getpid(), "-x"))
            foreach(mkdir, (remains, alive, joinpath(dir, ".app.app-elsewhere-1-x")))
            name = in_work_folder(work -> (touch(joinpath(work, "file")); basename(work)), () -> nothing, target)
            @test startswith(name, work_prefix(target))
            @test readdir(target) == ["file"]
            @test sort(readdir(dir)) == sort(["app", ".app.app-elsewhere-1-x", basename(alive)])
        end
    end
end

@testset "a folder that comes while it is made stays" begin
    if Sys.islinux()
        mktempdir() do dir
            target, package = joinpath(dir, "app"), mkdir(joinpath(dir, "package"))
            comes(force; table=false) = in_work_folder(() -> check_target(target, package; force=force), target) do work
                touch(joinpath(work, "new"))
                with_files(target, "mine", (table ? ("share/julia/app.json",) : ())...)
                nothing
            end
            for (force, why) in (false => "exists", true => "is no app or library")
                err = @test_throws BuildError comes(force)
                @test err.value.stage === :publish
                @test occursin(why, err.value.message)
                @test readdir(target) == ["mine"]
                @test sort(readdir(dir)) == ["app", "package"]
            end
            comes(true; table=true)
            @test readdir(target) == ["new"]
        end
    end
end

@testset "artifacts that nobody can download are told of" begin
    # Older Julias have no package Artifacts.
    VERSION >= v"1.6" && with_herald() do fixtures, package
        herald = (id=Base.PkgId(Base.UUID("11111111-aaaa-4aaa-8aaa-000000000021"), "Herald"), path=package, tree_hash=nothing)
        bundled() = bundle_artifacts(mktempdir(fixtures), [herald]; include_lazy=false)
        @test bundled() == (1, [])
        mv(joinpath(fixtures, "depot", "artifacts"), joinpath(fixtures, "away"))
        number, warnings = bundled()
        @test number == 0
        @test startswith(only(warnings), "the artifact `greeting` of Herald is not in the folder")
        write(joinpath(package, "Artifacts.toml"), downloadable_nowhere())
        @test occursin("artifacts of Herald cannot be bundled", refusal(bundled))
    end
end

@testset "parts of a bundle" begin
    @test part_of("bin/App") == "executables"
    @test part_of("lib/julia/sys.so") == "image"
    @test part_of("lib/julia/libjulia-internal.so.1.10") == "Julia"
    @test part_of("lib/julia/libgmp.so.10") == "libraries"
    @test part_of("share/julia/artifacts/0/x") == "artifacts"
    @test part_of("lib/libjulia.so.1.10") == "Julia"
    @test part_of("lib/libcount.so.1.0.0") == "image"
    @test part_of("share/julia/cert.pem") == "other"
    # Where Julia was built, other libraries lie beside that of a bundle.
    @test part_of("lib/libgmp.so.10", "lib/libcount.so.1.0.0") == "libraries"
    files = Any[["lib/libcount.so.1.0.0", 5], ["lib/libgmp.so.10", 7], ["lib/julia/libgmp.so.10", 1]]
    @test parts_of(files, "lib/libcount.so.1.0.0") == [(part="libraries", bytes=8), (part="image", bytes=5)]
    # PackageCompiler's have no table.
    VERSION >= v"1.10" && Sys.islinux() && mktempdir() do dir
        write(joinpath(mkpath(joinpath(dir, "lib", "julia")), "sys.so"), "12345")
        @test audit_app(dir).parts == [(part="image", bytes=5)]
    end
end

if VERSION >= v"1.10" && Sys.islinux()
    @testset "what is refused before anything is built" begin
        with_herald() do fixtures, package
            app = joinpath(fixtures, "app")
            said(; kwargs...) = refusal(() -> create_app(package, app; quiet=true, kwargs...))
            @test occursin("`create_app` has no keyword `sysimage_path`", said(; sysimage_path="x"))
            @test occursin("no C program is compiled", said(; c_driver_program="x.c"))
            @test occursin("did you mean `incremental`", said(; incrementl=true))
            @test occursin("`filter_stdlibs=true` needs `incremental=false`", said(; incremental=true, filter_stdlibs=true))
            @test occursin("`force` is 1", said(; force=1))
            mkdir(app)
            write(joinpath(app, "mine"), "")
            @test occursin("use `force=true` to replace it", said())
            told = said(; force=true)
            @test occursin("is no app or library, and is not replaced", told) && occursin("cause: it has no", told)
            @test readdir(app) == ["mine"]
            @test occursin("holds the package itself", refusal(() -> create_app(package, fixtures; force=true)))
            workshop = joinpath(fixtures, "workshop")
            @test occursin("is no package", refusal(() -> create_app(workshop, joinpath(fixtures, "x"); quiet=true)))
            @test occursin("is no app or library", refusal(() -> audit_app(app)))
            @test filter(startswith(".app"), readdir(fixtures)) == []
            # Before the Manifest is looked at, which this project lacks and Pkg would make.
            project = mkdir(joinpath(fixtures, "without a Manifest"))
            write(joinpath(project, "Project.toml"), "name = \"A\"\nuuid = \"5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a\"\n")
            place = joinpath(fixtures, "x")
            of_app(; kwargs...) = refusal(() -> create_app(project, place; quiet=true, kwargs...))
            of_library(; kwargs...) = refusal(() -> create_library(project, place; quiet=true, kwargs...))
            @test occursin("`executables` is empty", of_app(; executables=[]))
            @test occursin("there is no header", of_library(; header_files="nowhere.h"))
            @test occursin("`version` is \"one\"", of_library(; version="one"))
            @test occursin("`compat_level` is \"some\"", of_library(; compat_level="some"))
            @test occursin("`lib_name` holds `a/b`", of_library(; lib_name="a/b"))
            @test readdir(project) == ["Project.toml"]
        end
    end
end

"Libraries that no bundle brings: the C library's."
const OF_THE_SYSTEM = r"^(ld-|linux-vdso|lib(c|m|dl|pthread|rt|resolv|util)\.so)"

const EXECUTABLES = ["Herald" => "julia_main", "second" => "second", "wrong" => "wrong", "failing" => "failing",
    "leaving" => "leaving", "piped" => "piped", "jit" => "jit", "working" => "working", "waiting" => "waiting",
    "libraries" => "libraries", "status" => "status"]
VERSION >= v"1.11" && push!(EXECUTABLES, "main" => "main")

"Interrupts the program once it has written a line, and gives its exit code."
function interrupted(command)
    out = Pipe()
    process = run(pipeline(ignorestatus(command); stdout=out, stderr=devnull); wait=false)
    close(out.in)
    readline(out)
    kill(process, Base.SIGINT)
    wait(process)
    return process.exitcode
end

if LINKABLE
    @testset "an app" begin
        with_herald() do fixtures, package
            first_place = joinpath(fixtures, "made", "app")
            report = create_app(package, first_place; executables=EXECUTABLES, incremental=true,
                include_stdlibs=["Pkg"], cpu_target="native", quiet=true, log=joinpath(fixtures, "app.log"))
            @test report.image.how.linked
            # What Julia 1.12 says of code that looks a name up too early.
            @test !occursin("in a world prior to its definition world", read(joinpath(fixtures, "app.log"), String))
            @test report.artifacts == 1
            @test report.warnings == []
            # Nothing is left of the work, nor of what images have beside them.
            @test readdir(joinpath(fixtures, "made")) == ["app"]
            @test filter(startswith("sys."), readdir(joinpath(first_place, "lib", "julia"))) == ["sys." * Libdl.dlext]
            place = joinpath(fixtures, "it's \"here\" now", "a b")
            mkpath(dirname(place))
            mv(first_place, place)
            bin(name) = joinpath(place, "bin", name)

            @testset "its program" begin
                user = mkdir(joinpath(fixtures, "user depot"))
                code, out, err = run_app(`$(bin("Herald")) a áéíóú --x --julia-args -t3 -O1`;
                    variables=("JULIA_DEPOT_PATH" => user, "JULIA_LOAD_PATH" => user))
                @test (code, err) == (3, "")
                share = joinpath(place, "share", "julia")
                for (name, value) in ("ARGS" => ["a", "áéíóú", "--x"], "PROGRAM_FILE" => bin("Herald"),
                        "DEPOT_PATH" => [user, share], "LOAD_PATH" => [user, share], "JULIA_DEPOT_PATH" => user,
                        "BINDIR" => joinpath(place, "bin"), "threads" => 3, "opt_level" => 1, "compiled" => true,
                        "decorated" => "* x *", "artifact" => "from the artifact",
                        "artifact_path" => joinpath(share, "artifacts", HASH), "solved" => [1.0, 1.0],
                        "random" => 5, "big" => "1180591620717411303424 1.5")
                    @test occursin(string(name, " = ", repr(value), '\n'), out)
                end
            end

            @testset "exit codes and errors" begin
                @test run_app(`$(bin("second"))`) == (0, "second\n", "")
                @test run_app(`$(bin("leaving"))`) == (7, "at exit\n", "")
                @test run_app(`$(bin("jit"))`)[1] == 41
                code, _, err = run_app(`$(bin("wrong"))`)
                @test code == 1
                @test occursin("ERROR: expected a Cint return value from function Herald.wrong", err)
                code, _, err = run_app(`$(bin("failing"))`)
                @test code == 1
                @test occursin("MethodError: no method matching +(", err)
                @test occursin("fail_inside", err) && occursin("Herald.jl", err)
                if VERSION >= v"1.11"
                    code, out, _ = run_app(`$(bin("main")) a b`)
                    @test (code, out) == (5, "main of [\"a\", \"b\"]\n")
                end
                code, _, err = run_app(`$(bin("second")) --julia-args --no-such-option`)
                @test code == 1
                @test occursin("no-such-option", err)
            end

            @testset "Pkg" begin
                # Pkg would download one.
                depot = joinpath(fixtures, "depot with registry")
                write(joinpath(mkpath(joinpath(depot, "registries", "Empty")), "Registry.toml"),
                    "name = \"Empty\"\nuuid = \"11111111-aaaa-4aaa-8aaa-0000000000ff\"\nrepo = \"\"\n[packages]\n")
                code, out, err = run_app(`$(bin("status"))`; variables=("JULIA_DEPOT_PATH" => depot,))
                @test code == 0
                @test occursin("Herald v0.4.0", out) && occursin("[11111111] Helper", out)
            end

            @testset "input, interrupts, workers" begin
                @test run_app(`$(bin("piped"))`; input=IOBuffer("línea\n")) == (0, "LÍNEA\n", "")
                @test interrupted(`$(bin("waiting"))`) == 130
                code, out, err = run_app(`$(bin("working"))`)
                @test (code, out) == (0, "[2, 4, 6]\n")
            end

            @testset "called by a link and by PATH" begin
                link = joinpath(fixtures, "link")
                symlink(bin("second"), link)
                @test run_app(`$link`) == (0, "second\n", "")
                path = string(joinpath(place, "bin"), ':', ENV["PATH"])
                @test run_app(`sh -c second`; variables=("PATH" => path,)) == (0, "second\n", "")
            end

            @testset "what it holds and needs" begin
                audit = audit_app(place)
                @test audit.links == []
                # All but the C library is inside.
                @test all(l -> occursin(OF_THE_SYSTEM, l.name), audit.system)
                # And what is opened by its name, when the program runs.
                code, out, _ = run_app(`$(bin("libraries"))`)
                opened = split(out, '\n'; keepempty=false)
                @test code == 0 && any(path -> startswith(basename(path), "libpcre2-8"), opened)
                @test filter(path -> !startswith(path, place) && !occursin(OF_THE_SYSTEM, basename(path)), opened) == []
                libc = audit.system[findfirst(l -> l.name == "libc.so.6", audit.system)]
                @test startswith(something(libc.version), "GLIBC_2.")
                @test sum(row -> row.bytes, audit.parts) == audit.bytes
                @test Set(["image", "Julia", "libraries", "executables"]) ⊆ Set(row.part for row in audit.parts)
                text = sprint(show, MIME"text/plain"(), audit)
                @test occursin("needs:   ", text) && occursin("libc.so.6 (GLIBC_2.", text)
                preferences = read(joinpath(place, "share", "julia", "LocalPreferences.toml"), String)
                @test preferences == "\n[Herald]\nloudness = 11\n"
            end

            @testset "what packages print is no name of one" begin
                image = joinpath(place, "lib", "julia", "sys." * Libdl.dlext)
                with_variables("HERALD_SAYS" => "hello") do
                    @test occursin("hello", read(`$(bin("second"))`, String))
                    packages = packages_of_image(image)
                    @test ["Base", "Herald", "Helper", "OpenBLAS_jll"] ⊆ packages
                    @test all(Base.isidentifier, packages)
                end
                @test packages_of_image(joinpath(place, "nowhere")) === nothing
                # It lies in a depot that this session alone knows.
                with_variables("HERALD_NEEDS_ITS_ARTIFACT" => "yes") do
                    @test "Herald" in something(packages_of_image(image), [])
                end
            end

            @testset "a table that is gone is told" begin
                table = joinpath(place, "share", "julia", "app.json")
                mv(table, table * ".aside")
                code, _, err = run_app(`$(bin("second"))`)
                @test code == 1
                @test occursin("the app is not whole", err) && occursin("app.json", err)
                mv(table * ".aside", table)
                renamed = cp(bin("second"), bin("third"))
                code, _, err = run_app(`$renamed`)
                @test code == 1
                @test occursin("no executable `third`", err)
            end

            @testset "a build that fails leaves what was there" begin
                broken = joinpath(fixtures, "packages", "Broken")
                cp(joinpath(fixtures, "workshop", "Manifest.toml"), joinpath(broken, "Manifest.toml"))
                mkdir(place * ".log")
                text = refusal(() -> create_app(broken, place; incremental=true, cpu_target="native",
                    force=true, quiet=true))
                @test occursin("BuildError in stage", text)
                @test occursin("log:   $place.2.log", text)
                @test run_app(`$(bin("second"))`) == (0, "second\n", "")
                @test sort(readdir(dirname(place))) == ["a b", "a b.2.log", "a b.log"]
                # Known before the code of the image is generated.
                text = refusal(() -> create_app(package, place; executables="x" => "nowhere", incremental=true,
                    cpu_target="native", force=true, quiet=true))
                @test occursin("`Herald` has no function `nowhere`", text)
                @test occursin("define `function nowhere()::Cint` in Herald", text)
                @test run_app(`$(bin("second"))`) == (0, "second\n", "")
            end

            @testset "and one that does not replaces it" begin
                again = create_app(package, place; executables="only" => "second", incremental=true,
                    cpu_target="native", force=true, quiet=true)
                @test sort(readdir(joinpath(place, "bin"))) == [Base.julia_exename(), "only"]
                @test run_app(`$(bin("only"))`) == (0, "second\n", "")
                # Whatever its name is.
                mv(bin("only"), bin("renamed"))
                @test run_app(`$(bin("renamed"))`) == (0, "second\n", "")
            end

            @testset "but nothing that came meanwhile" begin
                second = joinpath(dirname(place), "second")
                before = sort([readdir(dirname(place)); "second"])
                # Its image is in the cache.
                text = while_something_comes(second) do
                    refusal(() -> create_app(package, second; executables="only" => "second", incremental=true,
                        cpu_target="native", quiet=true))
                end
                @test occursin("in stage publish: the folder `$second` exists", text)
                @test readdir(second) == ["mine"]
                @test sort(readdir(dirname(place))) == before
            end
        end
    end

    @testset "a library" begin
        with_fixtures() do fixtures
            package = joinpath(fixtures, "packages", "Counter")
            # A project is enough, which is no package itself.
            project = mkdir(joinpath(fixtures, "packages", "counters"))
            counter = read_toml(joinpath(package, "Project.toml"))
            write(joinpath(project, "Project.toml"), toml(Dict("deps" => Dict("Counter" => counter["uuid"]))))
            write(joinpath(project, "Manifest.toml"), read(joinpath(package, "Manifest.toml"), String),
                "\n[[deps.Counter]]\ndeps = [\"Helper\"]\npath = \"../Counter\"\nuuid = \"$(counter["uuid"])\"\n",
                "version = \"$(counter["version"])\"\n")
            first_place = joinpath(fixtures, "made")
            create_library(project, first_place; lib_name="count", version=v"1.2.3", compat_level="minor",
                header_files=[joinpath(package, "counter.h")], incremental=true, cpu_target="native", quiet=true)
            place = mkpath(joinpath(fixtures, "another place", "it's"))
            mv(first_place, place; force=true)
            lib = joinpath(place, "lib")
            @test readlink(joinpath(lib, "libcount.so.1.2")) == "libcount.so.1.2.3"
            @test readlink(joinpath(lib, "libcount.so")) == "libcount.so.1.2.3"
            @test sort(readdir(joinpath(place, "include"))) == ["counter.h", "julia_init.h"]
            @test occursin("Version: 1.2.3", read(joinpath(lib, "pkgconfig", "libcount.pc"), String))
            @test audit_app(place).links == []
            compiler = Sys.which("cc")
            if compiler === nothing
                println("skipped: there is no C compiler, so no program in C calls the library")
            else
                program = joinpath(fixtures, "program")
                run(`$compiler $(joinpath(package, "main.c")) -I$(joinpath(place, "include")) -L$lib -lcount
                    -pthread -o $program`)
                code, out, err = run_app(`$program --threads=2`; variables=("LD_LIBRARY_PATH" => lib,))
                @test (code, out, err) == (7, "42 7\n* counter * 2 1180591620717411303424\n1000 1000 1000\n", "")
                # There is room for one Julia in a process, and another one is there.
                code = "import Libdl; ccall(Libdl.dlsym(Libdl.dlopen(ARGS[1]), :init_julia), Cvoid, (Cint, Ptr{Cvoid}), " *
                    "0, C_NULL); print(\"still here\")"
                julia = joinpath(Sys.BINDIR, Base.julia_exename())
                code, out, err = run_app(`$julia --startup-file=no -e $code $(joinpath(lib, "libcount.so"))`)
                @test (code, out) == (1, "")
                @test occursin("another one runs in this process already", err)
                mv(joinpath(place, "share", "julia", "app.json"), joinpath(fixtures, "app.json"))
                code, _, err = run_app(`$program`; variables=("LD_LIBRARY_PATH" => lib,))
                @test code == 1
                @test occursin("the app is not whole", err)
            end
        end
    end
else
    println("skipped: no app is built on Julia $VERSION here, for it would take minutes")
end

end
