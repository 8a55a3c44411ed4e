# Each system's branch, on whatever system the tests run.

using PackageCompilerRS: LauncherError, SYSTEM, SYSTEMS, at_home, check_apps_here, check_kind, check_refresh, companions,
    default_folder, given_path, home_folder, images_of, kernel_spec, launcher_files, launcher_path, look_functions, system_of

const LINUX, BSD, MACOS, WINDOWS = SYSTEMS[:linux], SYSTEMS[:bsd], SYSTEMS[:macos], SYSTEMS[:windows]

@testset "a system is known by Julia's name for it" begin
    @test [system_of(kernel).name for kernel in (:Linux, :Darwin, :NT, :FreeBSD, :OpenBSD, :Unheard)] ==
          ["Linux", "macOS", "Windows", "BSD", "BSD", "Linux"]
    @test SYSTEM.posix == !Sys.iswindows() && SYSTEM.apps == Sys.islinux()
    @test SYSTEM.list_separator == (Sys.iswindows() ? ';' : ':')
    # Two that are the same would be one row.
    rows = [[getfield(system, name) for name in fieldnames(typeof(system))] for system in values(SYSTEMS)]
    @test allunique(rows)
end

@testset "where launchers are" begin
    withenv("JUPYTER_DATA_DIR" => nothing, "XDG_DATA_HOME" => nothing, "APPDATA" => joinpath(homedir(), "AppData")) do
        within(parts...) = joinpath(homedir(), parts...)
        folder(system) = default_folder(:jupyter, nothing, system)
        @test folder(LINUX) == folder(BSD) == within(".local", "share", "jupyter")
        @test folder(MACOS) == within("Library", "Jupyter")
        @test folder(WINDOWS) == within("AppData", "jupyter")
    end
    withenv("JUPYTER_DATA_DIR" => "/data") do
        @test all(system -> default_folder(:jupyter, nothing, system) == abspath("/data"), values(SYSTEMS))
    end
    names = [launcher_path(:shell, "bin", "x", system) for system in (LINUX, BSD, MACOS, WINDOWS)]
    @test names == joinpath.("bin", ["x", "x", "x", "x.cmd"])
    for (system, files) in (LINUX => ["kernel.sh", "notice.jl"], MACOS => ["kernel.sh", "notice.jl"], WINDOWS => [])
        @test companions(:jupyter, joinpath("k", "kernel.json"), system) == joinpath.("k", files)
    end
end

@testset "a user may have no home" begin
    @test home_folder() == homedir()
    @test home_folder(() -> throw(Base.IOError("homedir()", Base.UV_ENOENT))) === nothing
    @test_throws ErrorException home_folder(() -> error("another"))
    @test given_path(LauncherError, "~") == abspath(homedir())
    # Where that is not the system's question.
    windows = withenv(() -> default_folder(:jupyter, nothing, WINDOWS), "JUPYTER_DATA_DIR" => nothing, "APPDATA" => "/a")
    @test windows == joinpath("/a", "jupyter")
    # As in a container that was started for a number.
    code = """
        using PackageCompilerRS: LauncherError, at_home, default_folder, given_path, home_folder, surroundings
        said(f) = try f() catch err; sprint(showerror, err) end
        println(home_folder(), ' ', surroundings()["home"] == joinpath(pwd(), "~"), ' ', at_home("~/x"))
        println(said(() -> default_folder(:shell, nothing)))
        println(said(() -> given_path(LauncherError, "~/x")))
        """
    julia, project = joinpath(Sys.BINDIR, Base.julia_exename()), dirname(@__DIR__)
    command(code) = setenv(`unshare --user --map-user=12345 $julia --startup-file=no --project=$project -e $code`,
        "JULIA_DEPOT_PATH" => join(DEPOT_PATH, ':'), "PATH" => ENV["PATH"])
    # Julia 1.12 itself fails then, when it loads a package.
    if VERSION >= v"1.12-" || Sys.which("unshare") === nothing || !success(command("1"))
        println("skipped: nobody without a home can start Julia here")
    else
        lines = split(read(command(code), String), '\n')
        @test lines[1] == "nothing true ~/x"
        @test count(==("  next:  set HOME, or give `folder`"), lines) == 1
        @test count(==("  next:  set HOME, or give the path in full"), lines) == 1
    end
end

@testset "what launchers are" begin
    launcher = PackageCompilerRS.Launcher("x", :shell, "x", PackageCompilerRS.default_sysimage(), nothing, "julia", String[], nothing, String[])
    identity = (julia="julia", version=string(VERSION), commit="", version_file="")
    text(system) = only(launcher_files(launcher, identity, nothing, system))[2]
    @test all(system -> startswith(text(system), "#!/bin/sh"), (LINUX, BSD, MACOS))
    @test startswith(text(WINDOWS), "@echo off")
    @test [occursin("\"interrupt_mode\":\"message\"", kernel_spec(launcher, ["julia"], system)) for system in
        (LINUX, BSD, MACOS, WINDOWS)] == [false, false, false, true]
    @test occursin("stat -L -c", look_functions(LINUX))
    @test all(system -> occursin("stat -L -f", look_functions(system)), (BSD, MACOS))
end

@testset "what is not there on a system is refused" begin
    refused(f) = try
        f()
        nothing
    catch err
        sprint(showerror, err)
    end
    @test [refused(() -> check_kind(:desktop, system)) === nothing for system in (LINUX, BSD, MACOS, WINDOWS)] ==
          [true, true, false, false]
    @test [refused(() -> check_refresh(:before, :shell, system)) === nothing for system in
        (LINUX, BSD, MACOS, WINDOWS)] == [true, true, true, false]
    @test occursin("on Windows", refused(() -> check_refresh(:before, :shell, WINDOWS)))
    mktempdir() do folder
        images = joinpath.(folder, ["a.so", "b.so"])
        foreach(touch, images)
        @test images_of(images, :shell, MACOS) == images
        @test occursin("on Windows", refused(() -> images_of(images, :shell, WINDOWS)))
        @test images_of(images[1:1], :shell, WINDOWS) == images[1:1]
    end
    if VERSION >= v"1.10"
        @test refused(() -> check_apps_here(LINUX)) === nothing
        @test all(system -> occursin(system.name, refused(() -> check_apps_here(system))), (BSD, MACOS, WINDOWS))
    end
end
