# Images for several CPUs, and launchers that choose among them. The images are files of text with a stamp that says
# what they need, and Julia is a script.

@testset "a list of CPUs is an image for each" begin
    targets = VERSION < v"1.7" ? ["generic", "haswell"] : ["x86-64", "x86-64-v3"]
    build(; keywords...) = create_sysimage("Greeter"; project=PROJECT, sysimage_path="X.so", dry_run=true, quiet=true,
        keywords...)
    if Sys.ARCH === :x86_64 && Sys.islinux()
        # What the base has no code for is refused by its first build.
        previews = build(; cpu_target=["native"])
        @test [basename(p.sysimage_path) for p in previews] == ["X.native.so"]
    end
    paths = PackageCompilerRS.path_for_cpu
    @test paths("/a.b/X.so", "x86-64-v3") == "/a.b/X.x86-64-v3.so"
    @test paths("X", "haswell,-rdrnd;generic") == "X.haswell_-rdrnd_generic"
    for (value, parts) in (
        String[] => ["`cpu_target`", "empty"],
        [1] => ["`cpu_target`", "String"],
        ["native", "native"] => ["X.native.so"],
        ["native", ""] => ["`cpu_target`"],
    )
        err = @test_throws BuildError build(; cpu_target=value)
        @test all(part -> occursin(part, sprint(showerror, err.value)), parts)
    end
    if Sys.ARCH === :x86_64
        # Found before anything is built.
        err = @test_throws BuildError build(; cpu_target=["native", "skylak"])
        @test occursin("`skylak`", err.value.message)
    end
    # Else they would be called `.native.so`.
    for path in ("", " ", "folder/")
        err = @test_throws BuildError create_sysimage("Greeter"; project=PROJECT, sysimage_path=path, cpu_target=["native"])
        @test occursin("`sysimage_path` has no file name", err.value.message)
    end
    err = @test_throws BuildError build(; cpu_target=["native"], log="X.log")
    @test occursin("`log`", err.value.message)
    _, given = PackageCompilerRS.with_sysimage_toml(nothing, Pair{Symbol,Any}[:cpu_target => targets, :sysimage_path => "X.so"],
        PackageCompilerRS.Options(; project=PROJECT, sysimage_path="X.so", quiet=true))
    @test Dict(given)[:cpu_target] == targets
    @test PackageCompilerRS.options_of_words(["--cpu-target=haswell", "--cpu-target=znver3"])[1] ==
          [:cpu_target => ["haswell", "znver3"]]
end

const CPU_FLAGS = PackageCompilerRS.cpu_flags()

"A file in the place of an image, with a stamp for CPUs that have the flags of one of `targets`."
function fake_image(folder, name, targets...; version=VERSION)
    path = joinpath(folder, name)
    write(path, "an image")
    stamp = Dict("packages" => [], "cpu_target" => "native")
    # As the engine writes it, what launchers read comes first.
    write(path * ".json", "{\"schema\":1,\"content_key\":null,\"image_hash\":\"$name\",\"julia_version\":\"$version\",\"cpus\":",
        PackageCompilerRS.write_json(collect(targets)), ',', chop(PackageCompilerRS.write_json(stamp); head=1, tail=0))
    return path
end

if CPU_FLAGS === nothing || Sys.iswindows()
    println("skipped: launchers that choose among images, as this system lists no flags of CPUs")
else
    mktempdir() do folder
        folder = realpath(folder)
        julia = fake_julia(folder)
        install(images; keywords...) = Base.CoreLogging.with_logger(Base.CoreLogging.NullLogger()) do
            install_launcher("x"; sysimage=images, folder=joinpath(folder, "bin"), julia=julia, force=true, keywords...)
        end
        start(script) = PackageCompilerRS.captured(`$script a`)[2:3]
        small = fake_image(folder, "small.so", CPU_FLAGS[1])
        big = fake_image(folder, "big's.so", join(CPU_FLAGS[1:4], ' '))
        beyond = fake_image(folder, "beyond.so", join([CPU_FLAGS; "no_cpu_has_this"], ' '))

        @testset "a launcher starts the best image that its CPU can run" begin
            script = install([small, beyond, big])
            @test start(script) == ("--sysimage=$big\na\n", "")
            launcher = only(list_launchers(; kind=:shell, folder=joinpath(folder, "bin")))
            @test (launcher.sysimage, launcher.others) == (beyond, [big, small])
            # An older CPU, and one that is older yet.
            older = joinpath(folder, "cpuinfo")
            text = read(script, String)
            write(script, replace(text, "/proc/cpuinfo" => older))
            write(older, "vendor_id : x\nflags\t\t: other $(CPU_FLAGS[1])\n")
            @test start(script) == ("--sysimage=$small\na\n", "")
            write(older, "flags\t\t: other\n")
            out, err = start(script)
            @test out == "a\n"
            @test occursin("$small is for CPUs with more than this one has (without $(CPU_FLAGS[1]))", err)
            # A system that does not say what its CPU can do.
            rm(older)
            @test start(script)[1] == "--sysimage=$beyond\na\n"
            write(script, text)
            mv(big, big * ".away")
            @test start(script) == ("--sysimage=$small\na\n", "")
            mv(big * ".away", big)
        end

        @testset "one image that was built anew for another CPU" begin
            image = fake_image(folder, "one.so", CPU_FLAGS[1])
            script = install(image)
            @test start(script) == ("--sysimage=$image\na\n", "")
            fake_image(folder, "one.so", "no_cpu_has_this $(CPU_FLAGS[1])", "nor_this")
            out, err = start(script)
            @test out == "a\n"
            @test occursin("one.so is for CPUs with more", err) && occursin("`cpu_target`", err)
            # Code for several CPUs in one image, and for any.
            fake_image(folder, "one.so", "no_cpu_has_this", "")
            @test start(script) == ("--sysimage=$image\na\n", "")
            rm(image * ".json")
            @test start(script) == ("--sysimage=$image\na\n", "")
        end

        @testset "no launcher for images that cannot be chosen among" begin
            refused(images; keywords...) =
                sprint(showerror, (@test_throws LauncherError install(images; keywords...)).value)
            @test occursin("can run none", refused([beyond]))
            @test occursin("empty list", refused(String[]))
            @test occursin("with `kind=:vscode`", refused([small, big]; kind=:vscode))
            other = fake_image(folder, "other.so", "no_cpu_has_this"; version="1.2.3")
            @test occursin("for several Julias", refused([small, other]))
            cp(small, joinpath(folder, "X.a.so"))
            cp(small * ".json", joinpath(folder, "X.a.so.json"))
            text = refused(joinpath(folder, "X.so"))
            @test occursin("for some CPUs", text) && occursin("X.a.so", text)
        end

        @testset "a bundled image says that the CPU cannot run it" begin
            place = mkdir(joinpath(folder, "bundle"))
            script = joinpath(place, "start")
            write(script, PackageCompilerRS.bundled_script("X.so"))
            chmod(script, 0o755)
            command = setenv(`$script a`, merge(Dict(ENV), Dict("PCRS_JULIA" => julia)))
            image = fake_image(place, "X.so", CPU_FLAGS[1])
            # Without a commit only the version is looked at, as the script in the place of Julia has no sources.
            @test occursin("--sysimage=$image\n", PackageCompilerRS.captured(command)[2])
            fake_image(place, "X.so", "no_cpu_has_this")
            process, out, err = PackageCompilerRS.captured(command)
            @test (process.exitcode, out) == (1, "")
            @test occursin("it lacks no_cpu_has_this", err)
        end
    end
end
