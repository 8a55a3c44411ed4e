# Launchers that keep an image fresh. The image is a file of text, Julia a script, and what builds the image anew
# writes another text, so that all but the build is real; one_image.jl has a round with a real image.

using PackageCompilerRS: inspect_image, note_inputs, watch_folder, write_json

const REAL_JULIA = joinpath(Sys.BINDIR, Base.julia_exename())

"Takes the place of templates/refresh.jl: a build is a line in `builds`, and waits while there is a file `hold`."
const FAKE_REFRESH = """
    pushfirst!(LOAD_PATH, $(repr(dirname(@__DIR__))))
    using PackageCompilerRS
    const PLACE = dirname(@__DIR__)
    PackageCompilerRS.SIGN_OF_LIFE[] = 0.05
    function PackageCompilerRS.refresh_sysimage(image::String)
        open(io -> println(io, getpid()), joinpath(PLACE, "builds"), "a")
        while isfile(joinpath(PLACE, "hold"))
            sleep(0.02)
        end
        isfile(joinpath(PLACE, "fail")) &&
            throw(PackageCompilerRS.BuildError("the build failed"; cause=read(joinpath(PLACE, "fail"), String)))
        include(joinpath(PLACE, "stamp.jl"))
    end
    ARGS[2] == "background" && ccall(:setsid, Cint, ())
    exit(PackageCompilerRS.refresh_for_launcher(ARGS...))
    """

"Writes the stamp that a build of the image at `image` leaves, with the plan in `plan.json`."
const WRITE_STAMP = """
    let place = @__DIR__, image = joinpath(place, "images", "X.so"), pcrs = PackageCompilerRS
        plan = pcrs.parse_json(read(joinpath(place, "plan.json"), String))
        write(image, "an image of ", string(time_ns()))
        stamp = pcrs.stamp_of(plan, image)
        stamp["content_key"] = repeat("a", 64)
        stamp["image_hash"] = pcrs.inspect_image(image)["hash"]
        # As the engine writes it, what launchers read comes first.
        first = [string('"', key, "\\":", pcrs.write_json(pop!(stamp, key))) for key in
            ("schema", "content_key", "image_hash", "julia_version")]
        write(image * ".json", "{", join(first, ','), ',', chop(pcrs.write_json(stamp); head=1, tail=0))
        pcrs.note_inputs_for_launchers(image)
    end
    """

struct FreshPlace
    root::String
    image::String
    launcher::String
end

within(place, parts...) = joinpath(place.root, parts...)

"A project with an image and a launcher that keeps it fresh."
function with_fresh_place(f; keywords...)
    with_fixtures() do root
        root = realpath(root)
        image = joinpath(mkpath(joinpath(root, "images")), "X.so")
        write(joinpath(root, "stamp.jl"), WRITE_STAMP)
        build_here(root)
        refresh = joinpath(mkpath(joinpath(root, "fake")), "refresh.jl")
        write(refresh, FAKE_REFRESH)
        julia = fake_julia(root; cases="""
            *refresh.jl*)
                [ -e '$root/idle' ] && exit
                shift 2
                exec '$REAL_JULIA' --startup-file=no --compile=min '$refresh' "\$@" ;;
            """)
        launcher = Base.CoreLogging.with_logger(Base.CoreLogging.NullLogger()) do
            install_launcher("fresh"; sysimage=image, folder=joinpath(root, "bin"), julia=julia, keywords...)
        end
        f(FreshPlace(root, image, launcher))
    end
end

"Starts the launcher: whether on the image, and what it says."
function start(place)
    out, err = run_in_shell(`$(place.launcher) x`)
    @test out in ("x\n", "--sysimage=$(place.image)\nx\n")
    return out != "x\n", err
end

"As from a shell, without the variables of the tests."
function run_in_shell(command)
    variables = filter(variable -> !startswith(variable.first, "JULIA_LOAD"), Dict(ENV))
    process, out, err = PackageCompilerRS.captured(setenv(command, variables))
    @test process.exitcode == 0
    return out, err
end

on_image(place) = start(place) == (true, "")

function wait_until(condition)
    timedwait(condition, 120.0; pollint=0.05) === :ok || error("it has not come to pass")
    return nothing
end

builds(place) = isfile(within(place, "builds")) ? length(readlines(within(place, "builds"))) : 0
beside(place, parts...) = joinpath(watch_folder(place.image), parts...)
is_idle(place) = !islink(beside(place, "lock"))
"Waits for the end of the build with this number."
wait_for_build(place, number) = wait_until(() -> builds(place) == number && is_idle(place))
"Builds the image in this process."
function build_here(root)
    plan = plan_of(["Greeter"]; project=joinpath(root, "project"), sysimage_path=joinpath(root, "images", "X.so"),
        workload=joinpath(root, "workloads", "greet.jl"))
    write(joinpath(root, "plan.json"), write_json(plan))
    include(joinpath(root, "stamp.jl"))
    return nothing
end
"The process of the first build, after an edit and a start; it goes on until the file `hold` is gone."
function begin_build(place)
    edit_source(place)
    touch(within(place, "hold"))
    start(place)
    wait_until(() -> builds(place) == 1)
    return parse(Int, readlines(within(place, "builds"))[1])
end
edit_source(place) = open(io -> println(io, "# ", time_ns()), within(place, "packages", "Greeter", "src", "Greeter.jl"), "a")

if Sys.iswindows()
    println("skipped: launchers that keep images fresh, as Windows has none")
else
@testset "fresh launchers: in the background" begin
    with_fresh_place(; refresh=:background) do place
        @test list_launchers(; kind=:shell, folder=dirname(place.launcher))[1].refresh === :background
        @test on_image(place)
        # Touched, and the same.
        manifest = within(place, "project", "Manifest.toml")
        seen = beside(place, inspect_image(place.image)["hash"], "seen")
        before = read(seen, String)
        text = read(manifest, String)
        rm(manifest)
        write(manifest, text)
        @test on_image(place)
        @test read(seen, String) != before
        @test builds(place) == 0

        # Two starts at once; a build that goes on.
        edit_source(place)
        touch(within(place, "hold"))
        starts = [@async(start(place)) for _ in 1:2]
        for (image, said) in fetch.(starts)
            @test !image
            @test occursin("fresh: the sysimage $(place.image) may not fit any more: ", said)
            @test occursin("Greeter.jl has changed; starting Julia without it\n  next:  ", said)
            @test occursin("(log: $(beside(place, "log")))", said)
        end
        wait_until(() -> builds(place) > 0)
        image, said = start(place)
        @test !image && occursin(r"process \d+ builds it anew", said)
        status = sysimage_status(place.image)
        @test status.state === :stale && status.refresh.state === :running
        @test occursin("refresh  running: process ", sprint(show, MIME"text/plain"(), status))
        rm(within(place, "hold"))
        wait_for_build(place, 1)
        @test on_image(place)
        @test sysimage_status(place.image).refresh === nothing
        @test length(filter(name -> length(name) == 64, readdir(watch_folder(place.image)))) == 1
    end
end

@testset "fresh launchers: who reads what they write" begin
    with_fresh_place(; refresh=:background) do place
        edit_source(place)
        touch(within(place, "hold"))
        # To the end of the pipe, which the build must not hold.
        reading = @async read(pipeline(`$(place.launcher) x`; stderr=devnull), String)
        @test timedwait(() -> istaskdone(reading), 60.0) === :ok
        wait_until(() -> builds(place) == 1)
        rm(within(place, "hold"))
        @test fetch(reading) == "x\n"
        wait_for_build(place, 1)
    end
end

@testset "fresh launchers: one that is removed while a build goes on" begin
    for fails in (false, true)
        with_fresh_place(; refresh=:background) do place
            fails && write(within(place, "fail"), "for a test")
            pid = begin_build(place)
            remove_launcher("fresh"; folder=dirname(place.launcher))
            @test !isdir(watch_folder(place.image))
            rm(within(place, "hold"))
            wait_until(() -> ccall(:kill, Cint, (Cint, Cint), pid, 0) != 0)
            @test !ispath(watch_folder(place.image))
        end
    end
end

@testset "fresh launchers: an image whose stamp is gone for a while" begin
    with_fresh_place(; refresh=:background) do place
        stamp, away = place.image * ".json", within(place, "away")
        mv(stamp, away)
        @test !start(place)[1]
        wait_until(() -> ispath(beside(place, "failed", "message")) && is_idle(place))
        @test occursin("no stamp", start(place)[2])
        mv(away, stamp)
        @test on_image(place)
        # The next change is tried.
        edit_source(place)
        @test !start(place)[1]
        wait_for_build(place, 1)
        @test on_image(place)
    end
end

@testset "fresh launchers: what is a change" begin
    with_fresh_place(; refresh=:background) do place
        touch(within(place, "idle"))
        package = within(place, "packages", "Greeter")
        for (change, told) in (
            (() -> write(joinpath(package, "src", "new.jl"), "")) => "new.jl is new",
            (() -> rm(joinpath(package, "src", "new.jl"))) => "new.jl is gone",
            # With times of its own.
            (() -> cp(joinpath(package, "src", "Greeter.jl"), joinpath(package, "src", "more.jl"); force=true)) => "more.jl",
            (() -> write(within(place, "project", "LocalPreferences.toml"), "[Greeter]\nx = 1\n")) => "LocalPreferences.toml",
            (() -> open(io -> println(io), within(place, "project", "Project.toml"), "a")) => "Project.toml has changed",
            (() -> open(io -> println(io, "1"), within(place, "workloads", "greet.jl"), "a")) => "greet.jl has changed",
        )
            @test on_image(place)
            change()
            image, said = start(place)
            @test !image && occursin("may not fit any more: ", said) && occursin(told, said)
            build_here(place.root)
        end
        # Of no say: what Julia leaves beside sources, and what is elsewhere in the package.
        write(joinpath(package, "src", "Greeter.jl.123.cov"), "")
        write(joinpath(package, "README.md"), "")
        @test on_image(place)
        # An image that was built by other means.
        write(place.image, "another image")
        stamp = read(place.image * ".json", String)
        write(place.image * ".json", replace(stamp, r"\"image_hash\":\"[0-9a-f]+\"" =>
            "\"image_hash\":\"$(inspect_image(place.image)["hash"])\""))
        @test occursin("it is not known whether", start(place)[2])
        @test note_inputs(place.image)
        @test on_image(place)
        remove_launcher("fresh"; folder=dirname(place.launcher))
        @test !isdir(watch_folder(place.image))
    end
end

@testset "fresh launchers: a build that fails" begin
    with_fresh_place(; refresh=:background) do place
        write(within(place, "fail"), "for a test")
        edit_source(place)
        @test !start(place)[1]
        wait_for_build(place, 1)
        @test occursin("the build failed", read(beside(place, "log"), String))
        status = sysimage_status(place.image)
        @test (status.refresh.state, status.refresh.message) == (:failed, "the build failed: for a test")
        # Told once, and not tried again.
        image, said = start(place)
        @test !image && occursin("building it anew has failed (the build failed: for a test)", said)
        @test occursin("see $(beside(place, "log"))", said)
        image, said = start(place)
        @test !image && occursin("building it anew has failed; starting", said)
        @test builds(place) == 1
        # What was undone has not failed.
        source = within(place, "packages", "Greeter", "src", "Greeter.jl")
        edited = read(source, String)
        write(source, join(readlines(source; keep=true)[1:end-1]))
        status = sysimage_status(place.image)
        @test (status.state, status.refresh) == (:fresh, nothing)
        write(source, edited)
        # But after a change.
        rm(within(place, "fail"))
        edit_source(place)
        @test !start(place)[1]
        wait_for_build(place, 2)
        @test on_image(place)
        @test sysimage_status(place.image).refresh === nothing
    end
end

@testset "fresh launchers: a build that is killed" begin
    with_fresh_place(; refresh=:background) do place
        pid = begin_build(place)
        @test startswith(readlink(beside(place, "lock")), "$pid@")
        ccall(:kill, Cint, (Cint, Cint), pid, 9)
        wait_until(() -> sysimage_status(place.image).refresh === nothing)
        @test !is_idle(place)
        # The lock of the dead one keeps nobody off, even two at once.
        foreach(fetch, [@async(start(place)) for _ in 1:2])
        wait_until(() -> builds(place) == 2)
        rm(within(place, "hold"))
        wait_for_build(place, 2)
        @test on_image(place)
        # Nor does one whose process number is another program's now.
        symlink("$(getpid())@$(PackageCompilerRS.this_host())", beside(place, "lock"))
        edit_source(place)
        start(place)
        wait_for_build(place, 3)
        @test on_image(place)
    end
end

@testset "fresh launchers: before Julia starts" begin
    with_fresh_place(; refresh=:before) do place
        @test on_image(place)
        edit_source(place)
        image, said = start(place)
        @test image && occursin("Greeter.jl has changed; building it anew", said)
        @test builds(place) == 1
        @test on_image(place)
        # Another process does it already.
        edit_source(place)
        touch(within(place, "hold"))
        first_one = @async start(place)
        wait_until(() -> builds(place) == 2)
        second = @async start(place)
        @test !istaskdone(second)
        rm(within(place, "hold"))
        @test fetch(first_one)[1] && fetch(second)[1]
        @test builds(place) == 2
        write(within(place, "fail"), "for a test")
        edit_source(place)
        image, said = start(place)
        @test !image && occursin("for a test", said) && occursin("was not built anew", said)
        image, said = start(place)
        @test !image && occursin("has failed", said)
        @test occursin("see $(beside(place, "log"))", said)
        @test occursin("for a test", read(beside(place, "log"), String))
        @test builds(place) == 3
    end
end

@testset "fresh launchers: a lock of another machine" begin
    "Makes the file, or the link itself, one that was last touched so many minutes ago."
    function age(path, minutes)
        run(`touch -h -t $(Libc.strftime("%Y%m%d%H%M.%S", time() - 60minutes)) $path`)
    end
    lock_there(place) = symlink("1@elsewhere", beside(place, "lock"))
    with_fresh_place(; refresh=:background) do place
        edit_source(place)
        lock_there(place)
        is_held() = occursin("process 1 on elsewhere builds it anew", start(place)[2])
        @test is_held()
        # One of an earlier version gives no sign but that.
        age(beside(place, "lock"), 30)
        @test is_held() && sysimage_status(place.image).refresh.state === :running
        touch(beside(place, "alive"))
        age(beside(place, "lock"), 600)
        @test is_held() && sysimage_status(place.image).refresh.state === :running
        touch(within(place, "hold"))
        for silent in (["alive" => 10], ["lock" => 90])
            rm(beside(place, "alive"); force=true)
            islink(beside(place, "lock")) || lock_there(place)
            for (name, minutes) in ["lock" => 10; silent]
                name == "alive" && touch(beside(place, name))
                age(beside(place, name), minutes)
            end
            @test sysimage_status(place.image).refresh === nothing
            before = builds(place)
            @test occursin("in the background", start(place)[2])
            wait_until(() -> builds(place) == before + 1)
            # It gives signs of its own.
            age(beside(place, "alive"), 10)
            wait_until(() -> time() - mtime(beside(place, "alive")) < 300)
            rm(within(place, "hold"))
            wait_for_build(place, before + 1)
            @test on_image(place)
            @test !ispath(beside(place, "alive"))
            edit_source(place)
            touch(within(place, "hold"))
        end
        @test isempty(filter(name -> startswith(name, "now"), readdir(watch_folder(place.image))))
    end
    with_fresh_place(; refresh=:before) do place
        edit_source(place)
        lock_there(place)
        # What it says is read from a file: it goes on to wait.
        said = within(place, "said")
        waiting = run(pipeline(`$(place.launcher) x`; stdout=devnull, stderr=said); wait=false)
        wait_until(() -> occursin("waiting for process 1 on elsewhere, ", read(said, String)))
        @test occursin("(lock: $(beside(place, "lock")))\n", read(said, String))
        age(beside(place, "lock"), 90)
        wait(waiting)
        @test builds(place) == 1 && on_image(place)
    end
end

@testset "fresh launchers: where no lock can be made" begin
    "Runs `f` where the shell's `command` fails as the system's would, with this message."
    function where_it_fails(f, place, command, message)
        bin = mkpath(within(place, "without-$command"))
        write(joinpath(bin, command), "#!/bin/sh\necho \"$command: it failed: $message\" >&2\nexit 1\n")
        chmod(joinpath(bin, command), 0o755)
        return withenv(f, "PATH" => string(bin, ':', ENV["PATH"]))
    end
    for refresh in (:background, :before)
        with_fresh_place(; refresh=refresh) do place
            edit_source(place)
            # A file system without links, or that is full.
            where_it_fails(place, "ln", "Not permitted") do
                image, said = start(place)
                @test !image
                @test occursin("cannot be built anew, as $(watch_folder(place.image)) takes no lock or log (Not permitted); starting Julia without", said)
                @test !occursin("in the background", said)
            end
            # What another user left, in a folder where only its owner may remove it.
            symlink("1@$(PackageCompilerRS.this_host())", beside(place, "lock"))
            where_it_fails(place, "rm", "Not yours") do
                image, said = start(place)
                @test !image && occursin("takes no lock or log (Not yours); ", said)
                @test occursin("remove $(beside(place, "lock"))", said)
            end
            @test builds(place) == 0
            start(place)
            wait_for_build(place, 1)
            @test on_image(place)
        end
    end
    with_fresh_place(; refresh=:background) do place
        edit_source(place)
        # Nor is a lock left where the log cannot be written.
        mkpath(beside(place, "log"))
        @test occursin("takes no lock or log (", start(place)[2])
        @test is_idle(place) && builds(place) == 0
    end
end

@testset "fresh launchers: on a full disk" begin
    if ispath("/dev/full")
        @test_throws SystemError PackageCompilerRS.write_whole("/dev/full", "text")
        # What the log cannot take is kept with the failure.
        with_fresh_place(; refresh=:background) do place
            symlink("/dev/full", beside(place, "log"))
            write(within(place, "fail"), "for a test")
            edit_source(place)
            start(place)
            wait_for_build(place, 1)
            @test occursin("(the build failed: for a test)", start(place)[2])
        end
    end
    # It is tried again with more room.
    for refresh in (:background, :before)
        with_fresh_place(; refresh=refresh) do place
            edit_source(place)
            write(within(place, "fail"), "no space is left on the disk")
            start(place)
            wait_for_build(place, 1)
            room = beside(place, "failed", "room")
            @test parse(Int, read(room, String)) > 0
            write(room, "999999999999999")
            image, said = start(place)
            @test !image && occursin("tried again with more room on the disk, after the next change", said)
            @test builds(place) == 1
            write(room, "1")
            rm(within(place, "fail"))
            start(place)
            wait_for_build(place, 2)
            @test on_image(place)
        end
    end
    # Where nothing of the failure can be kept either, the next start tries again.
    with_fresh_place(; refresh=:background) do place
        write(within(place, "fail"), "for a test")
        begin_build(place)
        begun = beside(place, "begun")
        rm(begun; recursive=true)
        write(begun, "no folder")
        rm(within(place, "hold"))
        wait_for_build(place, 1)
        @test occursin("BuildError", read(beside(place, "log"), String))
        @test !occursin("Stacktrace", read(beside(place, "log"), String))
        @test !ispath(beside(place, "failed")) && !ispath(beside(place, "begun"))
        rm(within(place, "fail"))
        start(place)
        wait_for_build(place, 2)
        @test on_image(place)
    end
end

@testset "fresh launchers: for a user who may not see what went in" begin
    with_fresh_place(; refresh=:background) do place
        sources = within(place, "packages", "Greeter")
        is_root = ccall(:getuid, Cint, ()) == 0
        other = Sys.which("setpriv")
        if is_root && other === nothing
            println("skipped: a launcher that another user starts, as there is no setpriv")
        else
            foreach(folder -> chmod(folder, 0o755), (place.root, dirname(place.root)))
            chmod(sources, is_root ? 0o700 : 0o000)
            command = is_root ? `$other --reuid=65534 --regid=65534 --clear-groups $(place.launcher) x` : `$(place.launcher) x`
            @test run_in_shell(command) == ("--sysimage=$(place.image)\nx\n", "")
            chmod(sources, 0o755)
            # What can be seen counts, and what is gone for all.
            edit_source(place)
            chmod(within(place, "project"), is_root ? 0o700 : 0o000)
            out, err = run_in_shell(command)
            @test out == "x\n" && occursin("Greeter.jl has changed", err)
            chmod(within(place, "project"), 0o755)
        end
    end
end

@testset "fresh launchers: for Jupyter" begin
    with_fresh_place() do place
        kernel = within(place, "kernel.jl")
        write(kernel, "")
        path = install_launcher("Kernel"; sysimage=place.image, folder=within(place, "jupyter"), kind=:jupyter,
            julia=within(place, "julia"), project=within(place, "project"), kernel_file=kernel, refresh=:background)
        script = joinpath(dirname(path), "kernel.sh")
        @test occursin("--sysimage=$(place.image)\n", run_in_shell(`$script x`)[1])
        edit_source(place)
        touch(within(place, "idle"))
        out, err = run_in_shell(`$script x`)
        # What the notebook shows.
        @test occursin("--load=$(joinpath(dirname(path), "notice.jl"))\n", out)
        @test occursin("may not fit any more", err)
        build_here(place.root)
        @test occursin("--sysimage=$(place.image)\n", run_in_shell(`$script x`)[1])
        remove_launcher("Kernel"; kind=:jupyter, folder=within(place, "jupyter"))
        @test !isdir(watch_folder(place.image))
    end
end

@testset "fresh launchers: a link that leads to another image by now" begin
    with_fresh_place() do place
        link, older = joinpath.(dirname(place.image), ["current.so", "older.so"])
        foreach(ending -> cp(place.image * ending, older * ending), ["", ".json"])
        symlink(older, link)
        launcher = Base.CoreLogging.with_logger(Base.CoreLogging.NullLogger()) do
            install_launcher("fresh"; sysimage=link, folder=within(place, "bin"), julia=within(place, "julia"),
                force=true, refresh=:before)
        end
        rm(link)
        symlink(place.image, link)
        on_link = "--sysimage=$link\nx\n"
        out, said = run_in_shell(`$launcher x`)
        @test out == on_link && occursin("it is not known whether", said)
        @test run_in_shell(`$launcher x`) == (on_link, "")
        @test builds(place) == 1
        remove_launcher("fresh"; folder=within(place, "bin"))
        @test !isdir(watch_folder(place.image))
    end
end

@testset "fresh launchers: made again for another image" begin
    with_fresh_place(; refresh=:background) do place
        other, link = joinpath.(dirname(place.image), ["Y.so", "link.so"])
        cp(place.image, other)
        cp(place.image * ".json", other * ".json")
        symlink(place.image, link)
        install(image; keywords...) = Base.CoreLogging.with_logger(Base.CoreLogging.NullLogger()) do
            install_launcher("fresh"; sysimage=image, folder=within(place, "bin"), julia=within(place, "julia"),
                force=true, keywords...)
        end
        watched() = [isdir(watch_folder(image)) for image in (place.image, other)]
        # The same by another path.
        install(link; refresh=:background)
        @test watched() == [true, false]
        install(other; refresh=:before)
        @test watched() == [false, true]
        # What another launcher watches goes on.
        install(place.image; refresh=:before)
        Base.CoreLogging.with_logger(Base.CoreLogging.NullLogger()) do
            install_launcher("second"; sysimage=place.image, folder=within(place, "bin"),
                julia=within(place, "julia"), refresh=:before)
        end
        install(other)
        @test watched() == [true, false]
        remove_launcher("second"; folder=within(place, "bin"))
        @test watched() == [false, false]
        # One that cannot be written is as if it had not been tried; the older one goes on.
        install(other; refresh=:before)
        rm(place.launcher)
        mkpath(joinpath(place.launcher, "a folder in its place"))
        @test_throws LauncherError install(place.image; refresh=:before)
        @test !isdir(watch_folder(place.image))
        # Nor does it mind a file that is not as it was written.
        rm(place.launcher; recursive=true)
        write(place.launcher, "#!/bin/sh\n# PackageCompilerRS launcher: {\n")
        install(place.image; refresh=:before)
        @test isdir(watch_folder(place.image))
    end
end

@testset "fresh launchers: where there are none" begin
    with_fresh_place() do place
        install(; keywords...) = install_launcher("other"; sysimage=place.image, folder=within(place, "bin"),
            julia=within(place, "julia"), keywords...)
        told(f) = (err = try f(); nothing catch err; err end; err isa LauncherError ? sprint(showerror, err) : err)
        @test occursin("`kind=:vscode`", told(() -> install(; kind=:vscode, refresh=:before)))
        @test occursin("use `:background`", told(() -> install(; refresh=:after)))
        @test !isdir(watch_folder(place.image))
        rm(place.image * ".json")
        @test occursin("it has no stamp", told(() -> install(; refresh=:before)))
        @test !isdir(watch_folder(place.image)) && !isfile(within(place, "bin", "other"))
    end
end
end
