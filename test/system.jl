# Each system's branch, on whatever system the tests run.

using PackageCompilerRS: LauncherError, SYSTEM, SYSTEMS, check_apps_here, check_kind, check_refresh, companions,
    default_folder, images_of, kernel_spec, launcher_files, launcher_path, look_functions, system_of

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
