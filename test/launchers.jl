using PackageCompilerRS
using Test

using PackageCompilerRS: parse_json, parse_jsonc, jsonc_member

# This Julia's own image stands for one that was built: launchers only hand over its path.
const DEFAULT_IMAGE = unsafe_string(Base.JLOptions().image_file)
const JULIA = joinpath(Sys.BINDIR, Base.julia_exename())

quietly(f) = Base.CoreLogging.with_logger(f, Base.CoreLogging.NullLogger())
install(args...; options...) = quietly(() -> install_launcher(args...; options...))
folder() = realpath(mktempdir())
failure(f) = try f(); nothing catch err; err end

"The image, and a project, in a folder with a name that is hard to quote."
function hard_places()
    # Julia 1.5 cannot split paths with a newline.
    newline = dirname("a\nb/c") == "a\nb" ? "\n" : ""
    place = joinpath(folder(), "a b'c\"d\$HOME `e` é$newline%f;&\\ ~*@SYSIMAGE@")
    mkpath(joinpath(place, "project"))
    write(joinpath(place, "project", "Project.toml"), "name = \"Hard\"\n")
    symlink(DEFAULT_IMAGE, joinpath(place, "image.so"))
    return place
end

"Runs a command in an environment with nothing in it, and gives its exit code, `stdout`, `stderr`."
function run_bare(command; path="/usr/bin:/bin")
    # A home of its own keeps Julia from asking the system for one.
    process, out, err = PackageCompilerRS.captured(setenv(command, "PATH" => path, "HOME" => folder()))
    return process.exitcode, out, err
end

const TELL = """
    print(join([unsafe_string(Base.JLOptions().image_file); something(Base.active_project(), "");
        ARGS], '\\0'))
    """

"The value of a key that a desktop entry has once, with the escapes of its strings undone."
function only_value(lines, key)
    found = [line for line in lines if startswith(line, key * "=")]
    @test length(found) == 1
    return replace(found[1][(length(key) + 2):end],
        r"\\[nrts\\]" => s -> Dict("\\n" => "\n", "\\\\" => "\\")[s])
end

"The arguments of an `Exec` value, all of them quoted, by the Desktop Entry Specification."
unquote_exec(exec) = [replace(replace(m[1], r"\\(.)"s => s"\1"), "%%" => "%")
    for m in eachmatch(r"\"((?:[^\"\\]|\\.)*)\""s, exec)]

if !Sys.iswindows()
    @testset "Launchers: shell" begin
        @testset "the image, the project and every argument arrive" begin
            place = hard_places()
            path = install("hard"; sysimage=joinpath(place, "image.so"),
                project=joinpath(place, "project"), folder=joinpath(place, "bin"),
                args=["--startup-file=no", "--color=no"])
            @test path == joinpath(place, "bin", "hard")
            @test filemode(path) & 0o777 == 0o755
            arguments = ["", "a b", "c'd\"e", "new\nline", "\$HOME", "`id`", "é", "*", "\\", "%d"]
            code, out, err = run_bare(`$path -e $TELL $arguments`)
            @test code == 0
            @test err == ""
            told = split(out, '\0')
            # It would not have started on another path.
            @test realpath(told[1]) == realpath(DEFAULT_IMAGE)
            @test told[2] == joinpath(place, "project", "Project.toml")
            @test told[3:end] == arguments
        end

        @testset "without a project there is no --project" begin
            bin = folder()
            path = install("plain"; sysimage=DEFAULT_IMAGE, folder=bin)
            @test !occursin("--project", read(path, String))
            code, out, _ = run_bare(`$path --startup-file=no -e $TELL`)
            @test code == 0
            @test split(out, '\0')[1] == DEFAULT_IMAGE
        end

        @testset "an exit code and a shared environment" begin
            bin = folder()
            depot = folder()
            environment = mkpath(joinpath(depot, "environments", "tools"))
            write(joinpath(environment, "Project.toml"), "")
            push!(DEPOT_PATH, depot)
            path = try
                install("tools"; sysimage=DEFAULT_IMAGE, folder=bin, project="@tools")
            finally
                pop!(DEPOT_PATH)
            end
            code, out, _ = run_bare(`$path --startup-file=no -e "$TELL; exit(7)"`)
            @test code == 7
            @test split(out, '\0')[2] == joinpath(environment, "Project.toml")
        end

        @testset "an image that is gone" begin
            place = hard_places()
            image = joinpath(place, "image.so")
            path = install("gone"; sysimage=image, folder=place)
            rm(image)
            code, out, err = run_bare(`$path --startup-file=no -e $TELL a "b c"`)
            @test code == 0
            @test split(out, '\0')[1] == DEFAULT_IMAGE
            @test split(out, '\0')[3:4] == ["a", "b c"]
            @test err == """
                gone: the sysimage $image is gone; starting Julia without it
                  next:  build it again with `create_sysimage`
                """
        end

        # A stand-in for Julia, whose version and commit can be changed.
        function stand_in(place; version="1.2.3", image_version="1.2.3", commit="0123abcd")
            exe = joinpath(place, "julia")
            write(exe, """
                #!/bin/sh
                if [ "\$1" = --version ]; then echo "julia version $version"; exit; fi
                case \$* in
                *identity.jl*)
                    for file; do :; done
                    printf '%s\\0%s\\0%s\\0%s' '$exe' $image_version '$commit' '$place/version_git.jl' >"\$file" ;;
                *) printf '%s\\n' "\$@" ;;
                esac
                """)
            chmod(exe, 0o755)
            write(joinpath(place, "version_git.jl"), "GitVersionInfo(\n    \"$commit\",\n)\n")
            return exe
        end

        @testset "a Julia that was replaced in place, $what" for (what, commit) in
            ("seen by its commit" => "0123abcd", "seen by its version" => "")
            place = folder()
            image = joinpath(place, "image.so")
            touch(image)
            exe = stand_in(place; commit=commit)
            path = install("other"; sysimage=image, folder=place, julia=exe)
            @test run_bare(`$path x`) == (0, "--sysimage=$image\nx\n", "")
            stand_in(place; version="1.2.4", commit=isempty(commit) ? "" : "4567cdef")
            code, out, err = run_bare(`$path x`)
            @test (code, out) == (0, "x\n")
            @test occursin("other: $exe is no longer the Julia 1.2.3", err)
            @test occursin("\n  next:  build the sysimage again", err)
            # Of the same version, but another build.
            if !isempty(commit)
                stand_in(place; commit="4567cdef")
                @test run_bare(`$path x`)[2] == "x\n"
                rm(joinpath(place, "version_git.jl"))
                @test run_bare(`$path x`)[2] == "x\n"
            end
        end

        @testset "an image that another Julia built later" begin
            place = folder()
            image = joinpath(place, "image.so")
            touch(image)
            path = install("later"; sysimage=image, folder=place, julia=stand_in(place))
            on_image = (0, "--sysimage=$image\nx\n", "")
            # As `create_sysimage` writes it: one line, long, with these keys first.
            stamp(version) = write(image * ".json", """{"schema":1,"content_key":"$('a'^64)",""",
                """"image_hash":"$('b'^64)","julia_version":"$version","project":"/é","plan":{""",
                """"julia":{"version":"7.7.7"}},"rest":"$('c'^100_000)"}""")
            stamp("1.2.3")
            @test run_bare(`$path x`) == on_image
            stamp("1.2.4")
            @test run_bare(`$path x`) == (0, "x\n", """
                later: the sysimage $image was built by Julia 1.2.4; starting Julia 1.2.3 without it
                  next:  make this launcher again, with `install_launcher` and `force=true`
                """)
            # What says nothing is no reason to go without the image.
            for text in ("", "{}", "\"julia_version\":\"1.2.", "\xff")
                write(image * ".json", text)
                @test run_bare(`$path x`) == on_image
            end
        end

        VERSION >= v"1.6" && @testset "an artifact that is gone" begin
            place = folder()
            image = joinpath(place, "image.so")
            touch(image)
            depot, other = joinpath(place, "a depot"), mkpath(joinpath(place, "other"))
            hashes = [string(c)^40 for c in "def"]
            wanted = mkpath.(joinpath.(depot, "artifacts", hashes[1:2]))
            package = mkpath(joinpath(place, "Needy"))
            # The last is lazy, and not there.
            write(joinpath(package, "Artifacts.toml"), join("""
                ["$name"]
                git-tree-sha1 = "$hash"
                lazy = $(name == "late")

                    [["$name".download]]
                    url = "https://localhost/$name.tar.gz"
                    sha256 = "$(repeat("0", 64))"
                """ for (name, hash) in zip(("data", "it's", "late"), hashes)))
            stamp(hash) = write(image * ".json", """{"schema":1,"content_key":"$('a'^64)",""",
                """"image_hash":"$(hash^64)","julia_version":"$VERSION","packages":[{"name":"Needy",""",
                """"uuid":"11111111-aaaa-4aaa-8aaa-000000000001","version":"0.1.0","path":"$package",""",
                """"tree_hash":null}]}""")
            stamp('b')
            exe = stand_in(place; version=VERSION, image_version=VERSION)
            push!(DEPOT_PATH, depot)
            path = try
                install("needy"; sysimage=image, folder=place, julia=exe)
            finally
                pop!(DEPOT_PATH)
            end
            home = mkpath(joinpath(place, "home"))
            start(depots...) = run_app(setenv(`$path x`, "PATH" => "/usr/bin:/bin", "HOME" => home, depots...))
            on_image = (0, "--sysimage=$image\nx\n", "")
            without(name) = (0, "x\n", """
                needy: the artifact $name of Needy 0.1.0, which the sysimage $image needs, is gone; starting Julia without it
                  next:  run `Pkg.instantiate()` in the project
                """)
            variable(text) = "JULIA_DEPOT_PATH" => text
            for depots in (depot, "$other:$depot", "$depot:", ":$depot", "~/../a depot")
                @test start(variable(depots)) == on_image
            end
            @test start(variable(other)) == start() == start(variable("$other:")) == without("data")
            # In a default depot, and in several together.
            cp(joinpath(depot, "artifacts"), joinpath(mkpath(joinpath(home, ".julia")), "artifacts"))
            @test start() == start(variable("$other:")) == on_image
            rm(joinpath(home, ".julia", "artifacts", hashes[2]))
            @test start() == without("it's")
            mkpath(joinpath(other, "artifacts", hashes[2]))
            @test start(variable(":$other")) == on_image
            # What a depot puts elsewhere, and what another image needs, is not known.
            write(joinpath(home, ".julia", "artifacts", "Overrides.toml"), "")
            @test start() == on_image
            rm(joinpath(home, ".julia"); recursive=true)
            stamp('c')
            @test start() == on_image
        end

        @testset "an image behind a link" begin
            place = folder()
            image = joinpath(mkpath(joinpath(place, "store")), "real.so")
            touch(image)
            link = joinpath(place, "current.so")
            symlink(joinpath("store", "real.so"), link)
            path = install("linked"; sysimage=link, folder=place, julia=stand_in(place))
            @test run_bare(`$path x`) == (0, "--sysimage=$link\nx\n", "")
            write(image * ".json", """{"schema":1,"julia_version":"1.2.4"}""")
            code, out, err = run_bare(`$path x`)
            @test (code, out) == (0, "x\n")
            @test occursin("was built by Julia 1.2.4", err)
        end

        @testset "a Julia that is gone" begin
            place = folder()
            image = joinpath(place, "image.so")
            touch(image)
            exe = stand_in(place)
            # Called as the command that it looks for.
            path = install("julia"; sysimage=image, folder=joinpath(place, "bin"), julia=exe)
            rm(exe)
            code, out, err = run_bare(`$path x`; path="$(dirname(path)):/usr/bin:/bin")
            @test code == 127
            @test out == ""
            @test occursin("Julia 1.2.3 is gone ($exe), and there is no other on PATH", err)
            other = mkpath(joinpath(place, "other place"))
            stand_in(other)
            code, out, err = run_bare(`$path x`; path="$(dirname(path)):$other:/usr/bin:/bin")
            @test (code, out) == (0, "x\n")
            @test occursin("starting $other/julia without the sysimage", err)
            # Neither another launcher nor a bundled image that is called so, nor behind a link.
            second = install("julia"; sysimage=image, folder=joinpath(place, "bin 2"), julia=stand_in(place))
            rm(exe)
            links, bundle = mkpath.(joinpath.(place, ["links", "bundle"]))
            symlink(second, joinpath(links, "julia"))
            write(joinpath(bundle, "julia"), PackageCompilerRS.bundled_script("X.so"))
            chmod(joinpath(bundle, "julia"), 0o755)
            ours = join([links; dirname(second); bundle; dirname(path)], ':')
            for launcher in (path, second)
                @test run_bare(`$launcher x`; path="$ours:$other:/usr/bin:/bin")[1:2] == (0, "x\n")
                @test run_bare(`$launcher x`; path="$ours:/usr/bin:/bin")[1] == 127
            end
            code, _, err = run_bare(`$(joinpath(bundle, "julia"))`; path="$ours:/usr/bin:/bin")
            @test code == 1 && occursin("there is no `julia` on PATH", err)
            @test PackageCompilerRS.marker_in(:shell, joinpath(bundle, "julia")) === nothing
        end

        @testset "an image of another Julia" begin
            place = folder()
            image = joinpath(place, "image.so")
            touch(image)
            exe = stand_in(place; version="1.2.4")
            err = failure(() -> install("x"; sysimage=image, folder=place, julia=exe))
            @test err isa LauncherError
            @test occursin("is an image of Julia 1.2.3", err.message)
            @test occursin("julia version 1.2.4", err.cause)
            # Not an image at all.
            err = failure(() -> install("x"; sysimage=image, folder=place))
            @test err isa LauncherError
            @test occursin("does not start on `$image`", err.message)
            # What built it is known all the same.
            write(image * ".json", "{\"schema\":$(PackageCompilerRS.STAMP_SCHEMA),\"julia_version\":\"1.2.3\"," *
                "\"image_hash\":\"x\",\"packages\":[]}")
            err = failure(() -> install("x"; sysimage=image, folder=place))
            @test err isa LauncherError
            @test err.cause == "the image was built by Julia 1.2.3, and this is julia version $VERSION"
            @test !isfile(joinpath(place, "x"))
        end

        @testset "a link to Julia is followed" begin
            place = folder()
            link = joinpath(place, "julia")
            symlink(JULIA, link)
            install("x"; sysimage=DEFAULT_IMAGE, folder=place, julia=link)
            @test list_launchers(; kind=:shell, folder=place)[1].julia == realpath(JULIA)
        end

        @testset "a folder that is not on PATH" begin
            place = folder()
            message = r"is not on PATH"
            @test_logs (:info, message) install_launcher("x"; sysimage=DEFAULT_IMAGE, folder=place)
            withenv("PATH" => string(ENV["PATH"], ':', place, '/')) do
                @test_logs install_launcher("y"; sysimage=DEFAULT_IMAGE, folder=place)
            end
        end
    end
end

@testset "Launchers: what is there is kept" begin
    place = folder()
    path = install("x"; sysimage=DEFAULT_IMAGE, folder=place)
    text = read(path, String)
    # The same again is no change.
    @test install("x"; sysimage=DEFAULT_IMAGE, folder=place) == path
    err = failure(() -> install("x"; sysimage=DEFAULT_IMAGE, folder=place, args=["-O1"]))
    @test err isa LauncherError
    @test occursin(path, err.message)
    @test occursin("force=true", err.hint)
    @test read(path, String) == text
    install("x"; sysimage=DEFAULT_IMAGE, folder=place, args=["-O1"], force=true)
    @test read(path, String) != text
    # Nothing is left of the writing.
    @test readdir(place) == [basename(path)]

    own = joinpath(place, "own")
    write(own, "#!/bin/sh\necho mine\n")
    @test_throws LauncherError install("own"; sysimage=DEFAULT_IMAGE, folder=place)
    err = failure(() -> remove_launcher("own"; folder=place))
    @test err isa LauncherError
    @test occursin("was not made by", err.cause)
    @test isfile(own)
end

Sys.iswindows() || @testset "Launchers: links" begin
    place = folder()
    dotfiles = mkpath(joinpath(place, "dotfiles"))
    bin = mkpath(joinpath(place, "bin"))
    path, real = joinpath(bin, "x"), joinpath(dotfiles, "x")
    symlink(joinpath("..", "dotfiles", "x"), path)
    # It leads nowhere yet.
    install("x"; sysimage=DEFAULT_IMAGE, folder=bin)
    @test islink(path) && isfile(real)
    install("x"; sysimage=DEFAULT_IMAGE, folder=bin, args=["-O1"], force=true)
    @test islink(path) && occursin("-O1", read(real, String))
    remove_launcher("x"; folder=bin)
    @test !islink(path) && !ispath(real)
    # Another program is not overwritten through a link.
    write(real, "#!/bin/sh\necho theirs\n")
    symlink(real, path)
    @test_throws LauncherError install("x"; sysimage=DEFAULT_IMAGE, folder=bin)
    install("x"; sysimage=DEFAULT_IMAGE, folder=bin, force=true)
    @test !islink(path) && read(real, String) == "#!/bin/sh\necho theirs\n"
    symlink("loop", joinpath(bin, "loop"))
    err = failure(() -> install("loop"; sysimage=DEFAULT_IMAGE, folder=bin, force=true))
    @test err isa LauncherError
end

Sys.iswindows() || @testset "Launchers: the umask" begin
    place = folder()
    before = ccall(:umask, Cuint, (Cuint,), 0o077)
    try
        path = install("x"; sysimage=DEFAULT_IMAGE, folder=place)
        @test filemode(path) & 0o777 == 0o700
        path = install("x"; sysimage=DEFAULT_IMAGE, folder=place, kind=:vscode)
        @test filemode(path) & 0o777 == 0o600
        chmod(path, 0o640)
        remove_launcher("x"; folder=place, kind=:vscode)
        @test filemode(path) & 0o777 == 0o640
    finally
        ccall(:umask, Cuint, (Cuint,), before)
    end
end

@testset "Launchers: what cannot be written or read is a LauncherError" begin
    place = folder()
    err = failure(() -> install("x"; sysimage=DEFAULT_IMAGE, folder=joinpath(place, "typo"), kind=:vscode))
    @test occursin("there is no folder", err.message) && isempty(readdir(place))
    # A folder is in the file's place: the rename fails.
    mkpath(joinpath(place, ".vscode", "settings.json", "x"))
    err = failure(() -> install("x"; sysimage=DEFAULT_IMAGE, folder=place, kind=:vscode))
    @test err isa LauncherError
    @test occursin("cannot be written", err.message)
    @test readdir(joinpath(place, ".vscode")) == ["settings.json"]
    mkpath(joinpath(place, "y", "x"))
    err = failure(() -> install("y"; sysimage=DEFAULT_IMAGE, folder=place, force=true))
    @test err isa LauncherError
end

@testset "Launchers: marks that are not as they should be" begin
    place = folder()
    install("good"; sysimage=DEFAULT_IMAGE, folder=place)
    for (name, mark) in (
        "cut" => "{\"name\": \"cut\", \"sysi",
        "empty" => "{}",
        "list" => "[1]",
        "typed" => """{"name":1,"sysimage":"x","project":null,"julia":null,"args":[]}""",
        "args" => """{"name":"a","sysimage":"x","project":null,"julia":null,"args":[1]}""",
    )
        write(joinpath(place, name), "#!/bin/sh\n# PackageCompilerRS launcher: $mark\n")
    end
    for (name, text) in (
        "broken" => "{\"metadata\": {\"PackageCompilerRS\": {",
        "null" => "{\"metadata\": {\"PackageCompilerRS\": null}}",
        "other" => "{",
    )
        write(joinpath(mkpath(joinpath(place, "kernels", name)), "kernel.json"), text)
    end
    locked = ["cut", "empty", "list", "typed", "args"]
    if !Sys.iswindows() && ccall(:geteuid, Cuint, ()) != 0
        write(joinpath(place, "locked"), "")
        chmod(joinpath(place, "locked"), 0o000)
        push!(locked, "locked")
    end
    logger = Test.TestLogger()
    found = Base.CoreLogging.with_logger(() -> list_launchers(; folder=place), logger)
    @test [l.name for l in found] == ["good"]
    @test length(logger.logs) == 1
    message = string(logger.logs[1].message)
    for name in locked
        @test occursin("`$(joinpath(place, name))`", message)
    end
    @test occursin(joinpath("kernels", "broken", "kernel.json"), message)
    @test occursin(joinpath("kernels", "null", "kernel.json"), message)
    @test !occursin(joinpath("kernels", "other"), message)
    err = failure(() -> quietly(() -> remove_launcher("cut"; folder=place)))
    @test err isa LauncherError
    @test isfile(joinpath(place, "cut"))
    @test_logs list_launchers(; folder=place, kind=:desktop)
end

@testset "Launchers: list and remove" begin
    place = folder()
    write(joinpath(place, "other"), "#!/bin/sh\n")
    write(joinpath(place, "binary"), rand(UInt8, 2000))
    @test isempty(list_launchers(; folder=place))
    @test isempty(list_launchers(; folder=joinpath(place, "none")))
    path = install("one"; sysimage=DEFAULT_IMAGE, folder=place, args=["-O1", "a\nb"])
    found = list_launchers(; folder=place)
    @test length(found) == 1
    @test found[1].name == "one"
    @test found[1].kind === :shell
    @test found[1].path == path
    @test found[1].sysimage == DEFAULT_IMAGE
    @test found[1].project === nothing
    @test found[1].args == ["-O1", "a\nb"]
    @test occursin("one", repr(found[1]))
    @test remove_launcher("one"; folder=place) == path
    @test !ispath(path)
    install("two"; sysimage=DEFAULT_IMAGE, folder=place)
    err = failure(() -> remove_launcher("one"; folder=place))
    @test err isa LauncherError
    @test occursin("`two`", err.hint)
end

@testset "Launchers: wrong arguments" begin
    place = folder()
    image = DEFAULT_IMAGE
    for (call, part) in (
        (() -> install("x"; sysimage="none.so", folder=place)) => "there is no sysimage",
        (() -> install("x"; sysimage=image, folder=place, kind=:shel)) => ":shell",
        (() -> install("x"; sysimage=image, folder=place, project="no/project")) => "no/project",
        (() -> install("x"; sysimage=image, folder=place, julia="no-julia")) => "no-julia",
        (() -> install("x"; sysimage=image, folder=place, kernel_file="k.jl")) => "kernel_file",
        (() -> install("x"; sysimage=image, folder=joinpath(image, "x"))) => "cannot be written",
        (() -> remove_launcher("x"; folder=place)) => "there is no launcher",
        (() -> list_launchers(; kind=:none)) => ":jupyter",
    )
        err = failure(call)
        @test err isa LauncherError
        @test occursin(part, sprint(showerror, err))
    end
    for name in ("", ".", "..", "a/b", "-x", "a b", "é", "x\n", "../x", ".hidden")
        @test failure(() -> install(name; sysimage=image, folder=place)) isa LauncherError
    end
    @test isempty(readdir(place))
end

if Sys.islinux()
    @testset "Launchers: desktop" begin
        place = hard_places()
        path = install("Desk-1"; sysimage=joinpath(place, "image.so"), kind=:desktop, folder=place,
            project=joinpath(place, "project"))
        script = joinpath(place, "Desk-1.sh")
        @test path == joinpath(place, "Desk-1.desktop")
        lines = readlines(path)
        exec = only_value(lines, "Exec")
        @test startswith(exec, "/bin/sh \"")
        @test unquote_exec(exec) == [script]
        @test only_value(lines, "Name") == "Desk-1"
        @test only_value(lines, "Terminal") == "true"
        Sys.which("desktop-file-validate") === nothing ||
            @test success(`desktop-file-validate $path`)
        code, out, err = run_bare(`$script --startup-file=no -e $TELL`)
        @test (code, err) == (0, "")
        @test realpath(split(out, '\0')[1]) == realpath(DEFAULT_IMAGE)
        @test [l.name for l in list_launchers(; kind=:desktop, folder=place)] == ["Desk-1"]
        @test_throws LauncherError install("Desk-1"; sysimage=DEFAULT_IMAGE, kind=:desktop,
            folder=place)
        remove_launcher("Desk-1"; kind=:desktop, folder=place)
        @test !ispath(path) && !ispath(script)

        home = folder()
        withenv("XDG_DATA_HOME" => home) do
            path = install("x"; sysimage=DEFAULT_IMAGE, kind=:desktop)
            @test path == joinpath(home, "applications", "x.desktop")
            @test [l.path for l in list_launchers(; kind=:desktop)] == [path]
        end
        # A relative path does not count.
        withenv("XDG_DATA_HOME" => "data", "HOME" => home) do
            @test PackageCompilerRS.data_home() == joinpath(home, ".local", "share")
        end
    end
end

"A session of Jupyter's own client with the kernel `name`: what it finds, starts, and ends."
const CLIENT = raw"""
    import os, sys, time
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import KernelSpecManager
    name, told = sys.argv[1:]
    print(KernelSpecManager().find_kernel_specs()[name.lower()], end="\0")
    manager = KernelManager(kernel_name=name)
    manager.start_kernel()
    end = time.time() + 60
    while not os.path.exists(told) and manager.is_alive() and time.time() < end:
        time.sleep(0.1)
    print(manager.is_alive(), manager.connection_file, sep="\0", end="\0")
    manager.shutdown_kernel(now=True)
    print(manager.is_alive(), end="")
    """

@testset "Launchers: an image whose packages need a project" begin
    # Stands in for a Julia on such an image, which needs minutes to build.
    place = folder()
    project = mkpath(joinpath(place, "project"))
    write(joinpath(project, "Project.toml"), "")
    julia = joinpath(place, "julia")
    for told in ("InitError(mod=:A, error=ErrorException(msg=\"no B\"))",
        "InitError(:A, ErrorException(\"no B\"))")
        write(julia, """
            #!/bin/sh
            case "\$*" in *--project=$project*)
                exec '$(joinpath(Sys.BINDIR, Base.julia_exename()))' "\$@" ;;
            *--version*) exec '$(joinpath(Sys.BINDIR, Base.julia_exename()))' --version ;;
            esac
            echo 'fatal: error thrown and no exception handler available.' >&2
            echo '$told' >&2
            echo 'error at ./error.jl:33' >&2
            exit 1
            """)
        chmod(julia, 0o755)
        keywords = (sysimage=DEFAULT_IMAGE, folder=place, julia=julia, force=true)
        err = failure(() -> install("a"; keywords...))
        @test err isa LauncherError
        @test err.cause == "InitError: no B (in `__init__` of A)"
        @test occursin("give `project`", err.hint)
        @test isfile(install("a"; keywords..., project=project))
    end
    @test PackageCompilerRS.initialization_error(["#<null>", "julia: bad option"]) === nothing
end

Sys.iswindows() || @testset "Launchers: an image whose packages write to `stdout`" begin
    place = folder()
    julia = joinpath(place, "julia")
    function stand_in(what)
        write(julia, """
            #!/bin/sh
            [ "\$1" = --version ] || echo 'Welcome'
            $what
            """)
        chmod(julia, 0o755)
        return () -> install("loud"; sysimage=DEFAULT_IMAGE, folder=place, julia=julia)
    end
    # At the start, and at the end, which is not the end of a line; no text even.
    loud = stand_in("""
        '$JULIA' "\$@"
        code=\$?
        [ "\$1" = --version ] || printf 'by\\377e\\0'
        exit \$code
        """)
    loud()
    @test list_launchers(; kind=:shell, folder=place)[1].julia == realpath(JULIA)
    err = failure(stand_in("exit 0"))
    @test err isa LauncherError && occursin("did not tell", err.message)
    @test err.cause == "it wrote `Welcome`" && occursin("`julia`", err.hint)
end

Sys.iswindows() || @testset "Launchers: Jupyter" begin
    place = hard_places()
    kernel = joinpath(place, "kernel.jl")
    # As IJulia's up to 1.27: a script.
    write(kernel, "$TELL; exit()\n")
    path = install("Julia-X"; sysimage=joinpath(place, "image.so"), kind=:jupyter, folder=place,
        kernel_file=kernel, project=joinpath(place, "project"), args=["--startup-file=no", "--compiled-modules=no"])
    @test path == joinpath(place, "kernels", "Julia-X", "kernel.json")
    spec = parse_json(read(path, String))
    script = joinpath(dirname(path), "kernel.sh")
    @test spec["argv"] == ["/bin/sh", script, "{connection_file}"]
    @test spec["display_name"] == "Julia-X"
    @test spec["language"] == "julia"
    run_kernel() = run_bare(Cmd(String[spec["argv"][1:(end - 1)]; "a file.json"]))
    code, out, err = run_kernel()
    @test (code, err) == (0, "")
    told = split(out, '\0')
    @test realpath(told[1]) == realpath(DEFAULT_IMAGE)
    @test told[2] == joinpath(place, "project", "Project.toml")
    @test told[3:end] == ["a file.json"]
    # Jupyter has what the script says in its log, and the notebook shows it with its first cell. IJulia
    # takes hooks from its start on, or, as newer ones, when its kernel is there.
    ijulia = mkpath(joinpath(place, "project", "IJulia", "src"))
    uuid = "7073ff75-c697-5162-941a-fcdaad2a7d2a"
    project_file, manifest_file = joinpath.(place, "project", ["Project.toml", "Manifest.toml"])
    project_before = read(project_file, String)
    write(project_file, "[deps]\nIJulia = \"$uuid\"\n")
    write(manifest_file, "[[IJulia]]\npath = \"IJulia\"\nuuid = \"$uuid\"\n")
    mv(joinpath(place, "image.so"), joinpath(place, "away.so"))
    for hooks in ("Function[]", "nothing")
        write(joinpath(ijulia, "IJulia.jl"), """
            module IJulia
            const HOOKS = Ref{Any}($hooks)
            push_preexecute_hook(f::Function) = push!(HOOKS[], f)
            function run_cells()
                HOOKS[] === nothing && (HOOKS[] = Function[])
                timedwait(() -> !isempty(HOOKS[]), 60.0)
                foreach(hook -> Base.invokelatest(hook), [HOOKS[]; HOOKS[]])
            end
            end
            """)
        write(kernel, "$TELL; import IJulia; redirect_stderr(stdout); print('\\0'); IJulia.run_cells(); exit()\n")
        code, out, err = run_kernel()
        words = split(out, '\0')
        @test (code, words[3]) == (0, "a file.json")
        said = "Julia-X: the sysimage $place/image.so is gone; starting Julia without it\n  next:  "
        @test startswith(err, said)
        # Once, though two cells are run.
        shown = replace(words[end], r"\e\[\d*m" => "")
        @test length(words) == 4 && count(said, shown) == 1
    end
    write(project_file, project_before)
    rm(manifest_file)
    mv(joinpath(place, "away.so"), joinpath(place, "image.so"))
    launcher = list_launchers(; kind=:jupyter, folder=place)[1]
    @test launcher.sysimage == joinpath(place, "image.so")
    @test launcher.project == joinpath(place, "project")

    # Another program's kernel.
    other = joinpath(mkpath(joinpath(place, "kernels", "other")), "kernel.json")
    write(other, "{\"argv\": [\"python\"], \"display_name\": \"Python\", \"language\": \"python\"}")
    write(joinpath(mkpath(joinpath(place, "kernels", "broken")), "kernel.json"), "{")
    @test length(list_launchers(; kind=:jupyter, folder=place)) == 1
    @test_throws LauncherError remove_launcher("other"; kind=:jupyter, folder=place)
    @test isfile(other)
    logo = joinpath(dirname(path), "logo-64x64.png")
    touch(logo)
    remove_launcher("Julia-X"; kind=:jupyter, folder=place)
    @test readdir(dirname(path)) == ["logo-64x64.png"]

    # As IJulia's from 1.28 on: a part of the package.
    write(kernel, "function run_kernel()\nend\n")
    path = install("new"; sysimage=DEFAULT_IMAGE, kind=:jupyter, folder=place, kernel_file=kernel)
    # The kernel starts elsewhere: the active project goes with it.
    active = dirname(Base.active_project())
    @test occursin("'-i' '--color=yes' '--project=$active' '-e' " *
                   "'import IJulia; IJulia.run_kernel()' \"\$@\"",
        read(joinpath(dirname(path), "kernel.sh"), String))
    @test list_launchers(; kind=:jupyter, folder=place)[1].project == active
    remove_launcher("new"; kind=:jupyter, folder=place)
    @test !isdir(dirname(path))

    @testset "finding IJulia" begin
        project = folder()
        err = failure(() -> install("x"; sysimage=DEFAULT_IMAGE, kind=:jupyter, folder=place))
        @test err isa LauncherError
        @test occursin("IJulia was not found", err.message)
        @test occursin("kernel_file", err.hint)
        @test_throws LauncherError install("x"; sysimage=DEFAULT_IMAGE, kind=:jupyter, folder=place,
            kernel_file=joinpath(project, "none.jl"))
        source = mkpath(joinpath(project, "IJulia", "src"))
        write(joinpath(source, "IJulia.jl"), "module IJulia end\n")
        write(joinpath(source, "kernel.jl"), "IJulia.init(ARGS)\n")
        uuid = "7073ff75-c697-5162-941a-fcdaad2a7d2a"
        write(joinpath(project, "Project.toml"), "[deps]\nIJulia = \"$uuid\"\n")
        write(joinpath(project, "Manifest.toml"),
            "[[IJulia]]\npath = \"IJulia\"\nuuid = \"$uuid\"\n")
        before = copy(LOAD_PATH)
        # Where only this session would find it, the kernel would not.
        push!(LOAD_PATH, project)
        err = failure(() -> install("x"; sysimage=DEFAULT_IMAGE, kind=:jupyter, folder=place))
        copy!(LOAD_PATH, before)
        @test err isa LauncherError && occursin("IJulia was not found", err.message)
        path = install("x"; sysimage=DEFAULT_IMAGE, kind=:jupyter, folder=place, project=project)
        @test LOAD_PATH == before
        @test occursin("'$(joinpath(source, "kernel.jl"))' \"\$@\"",
            read(joinpath(dirname(path), "kernel.sh"), String))
    end

    if success(pipeline(ignorestatus(`python3 -c "import jupyter_client"`); stderr=devnull))
        @testset "Jupyter's own client" begin
            place = hard_places()
            kernel, told = joinpath(place, "kernel.jl"), joinpath(place, "told")
            # It has no ZeroMQ to answer with: it tells that it was started, and stays.
            write(kernel, """
                open(io -> redirect_stdout(() -> $TELL, io), $(repr(told * ".part")), "w")
                mv($(repr(told * ".part")), $(repr(told)))
                sleep(100)
                """)
            install("Client-1"; sysimage=joinpath(place, "image.so"), kind=:jupyter, folder=place,
                kernel_file=kernel, args=["--startup-file=no"])
            script = joinpath(place, "client.py")
            write(script, CLIENT)
            seen = withenv("JUPYTER_DATA_DIR" => place) do
                split(read(`python3 $script Client-1 $told`, String), '\0')
            end
            image, _, connection_file = split(read(told, String), '\0')
            @test realpath(image) == realpath(DEFAULT_IMAGE)
            @test seen ==
                [joinpath(place, "kernels", "Client-1"), "True", connection_file, "False"]
        end
    else
        println("skipped: Jupyter's own client, as Python has no module jupyter_client")
    end

    @testset "Jupyter's data folder" begin
        home = folder()
        withenv("JUPYTER_DATA_DIR" => home) do
            @test PackageCompilerRS.default_folder(:jupyter, nothing) == home
        end
        if Sys.islinux()
            withenv("JUPYTER_DATA_DIR" => nothing, "XDG_DATA_HOME" => nothing, "HOME" => home) do
                @test PackageCompilerRS.default_folder(:jupyter, nothing) ==
                    joinpath(home, ".local", "share", "jupyter")
            end
        end
    end
end

@testset "Launchers: VS Code" begin
    key = "julia.additionalArgs"
    setting(path) = jsonc_member(parse_jsonc(read(path, String)), key)
    arguments(path) = [item.value for item in setting(path).items]
    install_setting(name, place; options...) =
        install(name; sysimage=DEFAULT_IMAGE, kind=:vscode, folder=place, options...)

    @testset "a new file" begin
        place = folder()
        path = install_setting("x", place; args=["--threads=2"])
        @test path == joinpath(place, ".vscode", "settings.json")
        @test read(path, String) == """
            {
                "julia.additionalArgs": [
                    "--sysimage=$DEFAULT_IMAGE" /* PackageCompilerRS: x */,
                    "--threads=2" /* PackageCompilerRS: x */
                ]
            }
            """
        found = list_launchers(; kind=:vscode, folder=place)
        @test [l.name for l in found] == ["x"]
        @test found[1].sysimage == DEFAULT_IMAGE
        @test found[1].args == ["--threads=2"]
        # The same again is no change; another image needs `force`.
        install_setting("x", place; args=["--threads=2"])
        @test_throws LauncherError install_setting("x", place)
        install_setting("y", place; force=true)
        @test arguments(path) == ["--sysimage=$DEFAULT_IMAGE"]
        @test_throws LauncherError remove_launcher("x"; kind=:vscode, folder=place)
        @test remove_launcher("y"; kind=:vscode, folder=place) == path
        @test read(path, String) == "{}\n"
        @test isempty(list_launchers(; kind=:vscode, folder=place))
    end

    @testset "the rest stays as it is" for text in (
        "{\n  // mine\n  \"a.b\": 12, // points\n  \"files.exclude\": {\"**/x\": true,},\n}\n",
        "{\"a\": 1}",
        "{\r\n\t\"a\": [1, /* two */ 2],\r\n\t\"b\": \"http://x\" // no comment\r\n}\r\n",
        "{\n  \"julia.additionalArgs\": [\"-O1\", \"--threads=2\"], // mine\n  \"b\": 1\n}\n",
        "{\n  \"julia.additionalArgs\": [\n    \"-O1\", // one\n    \"-q\", // two\n  ],\n}\n",
        "{\n  \"julia.additionalArgs\": [\n    \"-O1\"\n  ]\n}",
        "\ufeff{\n  \"é\": \"日本\"\n}\n",
        "\ufeff// mine\r\n{\r\n  \"julia.additionalArgs\": [\r\n    \"-O1\", // one\r\n  ],\r\n}\r\n",
        # The same key elsewhere is another setting.
        "{\n  \"[julia]\": {\n    \"julia.additionalArgs\": [[\"-J/x.so\"], {\"a\": []}]\n  }\n}\n",
        "{\n  \"a\": [\"julia.additionalArgs\", [\"--sysimage=/x.so\"]],\n  \"b\": 1 /* b */,\n}\n",
        "{ \"julia.additionalArgs\" /* k */ : /* v */ [ /* in */ \"-O1\" /* one */ , \"-q\" /* two */ ] }",
        "{\n  // \"julia.additionalArgs\": [\"-J/x.so\"],\n  \"c\": \"/* not */ // a comment\"\n}\n",
    )
        place = folder()
        path = joinpath(mkpath(joinpath(place, ".vscode")), "settings.json")
        write(path, text)
        chmod(path, 0o640)
        install_setting("x", place; args=["-q"])
        new = read(path, String)
        @test arguments(path)[(end - 1):end] == ["--sysimage=$DEFAULT_IMAGE", "-q"]
        @test filemode(path) & 0o777 == 0o640
        # Nothing but insertions: the old text is a subsequence of the new.
        rest = Iterators.Stateful(new)
        @test all(c -> c in rest, text)
        remove_launcher("x"; kind=:vscode, folder=place)
        @test read(path, String) == text
    end

    @testset "an older image: $older" for older in (
        "\"--sysimage=/old.so\"", "\"-J/old.so\"",
        "\"-J\", \"/old.so\"", "\"--sysimage\", \"/old.so\"",
    )
        place = folder()
        path = joinpath(mkpath(joinpath(place, ".vscode")), "settings.json")
        text = "{\n    \"julia.additionalArgs\": [\"-O1\", $older, \"-q\"] // c\n}\n"
        write(path, text)
        err = failure(() -> install_setting("x", place))
        @test err isa LauncherError
        @test occursin("/old.so", err.message)
        @test occursin("force=true", err.hint)
        @test read(path, String) == text
        @test isempty(list_launchers(; kind=:vscode, folder=place))
        install_setting("x", place; force=true)
        @test arguments(path) == ["-O1", "-q", "--sysimage=$DEFAULT_IMAGE"]
        remove_launcher("x"; kind=:vscode, folder=place)
        @test read(path, String) == "{\n    \"julia.additionalArgs\": [\"-O1\", \"-q\"] // c\n}\n"
    end

    @testset "a file that cannot be edited: $(repr(text))" for (text, part) in (
        "{\n  \"a\": 1,\n  oops\n}" => "line 3",
        "[]" => "JSON object",
        "{\"julia.additionalArgs\": \"-q\"}" => "not an array",
    )
        place = folder()
        path = joinpath(mkpath(joinpath(place, ".vscode")), "settings.json")
        write(path, text)
        err = failure(() -> install_setting("x", place; force=true))
        @test err isa LauncherError
        @test occursin(path, err.message)
        @test occursin(part, err.cause)
        @test read(path, String) == text
        @test isempty(list_launchers(; kind=:vscode, folder=place))
    end

    @testset "an empty file, a null, a link" begin
        place = folder()
        path = joinpath(mkpath(joinpath(place, ".vscode")), "settings.json")
        for text in ("", "// only this\n", "{\"julia.additionalArgs\": null}")
            write(path, text)
            install_setting("x", place)
            @test arguments(path) == ["--sysimage=$DEFAULT_IMAGE"]
        end
        if !Sys.iswindows()
            target = joinpath(place, "shared.json")
            mv(path, target)
            symlink(target, path)
            remove_launcher("x"; kind=:vscode, folder=place)
            @test islink(path)
            @test !occursin("sysimage", read(target, String))
        end
    end

    @testset "places" begin
        place = folder()
        project = mkpath(joinpath(place, "project"))
        write(joinpath(project, "Project.toml"), "")
        path = install("x"; sysimage=DEFAULT_IMAGE, kind=:vscode, project=project)
        @test path == joinpath(project, ".vscode", "settings.json")
        @test arguments(path) == ["--sysimage=$DEFAULT_IMAGE"]
        cd(place) do
            @test install("x"; sysimage=DEFAULT_IMAGE, kind=:vscode) ==
                joinpath(place, ".vscode", "settings.json")
        end
        # VS Code would read a variable.
        image = joinpath(place, "\${userHome}.so")
        symlink(DEFAULT_IMAGE, image)
        @test_throws LauncherError install("y"; sysimage=image, kind=:vscode, folder=place,
            force=true)
    end
end

@testset "Launchers: the Windows script" begin
    launcher = PackageCompilerRS.Launcher("x", :shell, "x.cmd", "C:\\a 100%\\b&c.so", nothing,
        "C:\\Julia\\bin\\julia.exe", ["--threads=2", "say \"hi\""], nothing, String[])
    identity = (julia="", version="1.10.6", commit="0123abcd", version_file="C:\\version_git.jl")
    text = PackageCompilerRS.windows_script(launcher, identity)
    @test !occursin(r"[^\r]\n", text)
    @test occursin("set \"image=C:\\a 100%%\\b&c.so\"\r\n", text)
    @test occursin("\"--threads=2\" ^\"say \\^\"hi\\^\"^\" %*\r\n", text)
    @test !occursin("chcp", text)
    @test !occursin(r"@[A-Z_]+@", text)
    place = folder()
    path = joinpath(place, "x.cmd")
    write(path, text)
    @test PackageCompilerRS.read_launcher(:shell, path).sysimage == launcher.sysimage
    foreign = PackageCompilerRS.Launcher("x", :shell, "x.cmd", "C:\\é.so", nothing, "j", String[], nothing, String[])
    @test occursin("chcp 65001", PackageCompilerRS.windows_script(foreign, identity))
    two_lines = PackageCompilerRS.Launcher("x", :shell, "x.cmd", "C:\\x.so", nothing, "j", ["-e", "a\ndel b"], nothing, String[])
    @test_throws LauncherError PackageCompilerRS.windows_script(two_lines, identity)
end
