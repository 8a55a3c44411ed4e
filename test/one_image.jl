# The way of a user, with one image: built, used, up to date, stale. All else about images is in images.jl and
# linked.jl, which take long.

@testset "one image" begin
    with_fixtures() do fixtures
        project = realpath(joinpath(fixtures, "project"))
        workload = joinpath(fixtures, "workloads", "greet.jl")
        image = joinpath(fixtures, "One." * PackageCompilerRS.Libdl.dlext)
        build(; keywords...) = create_sysimage(["Greeter", "Trigger"]; sysimage_path=image, project=project,
            workload=workload, quiet=true, keywords...)
        # What the extension takes from a package's `__init__` when it is loaded.
        write(joinpath(fixtures, "packages", "Trigger", "src", "Trigger.jl"),
            "module Trigger\nconst READY = Ref(0)\n__init__() = (READY[] = 42)\nend")
        write_extension(number) = write(joinpath(fixtures, "packages", "Greeter", "ext", "GreeterTriggerExt.jl"), """
            module GreeterTriggerExt
            using Greeter, Trigger
            const FOUND = ($number, Trigger.READY[])
            end
            """)
        write_extension(1)
        clean = ("JULIA_LOAD_PATH" => nothing, "JULIA_PROJECT" => nothing,
            "PCRS_CACHE_DIR" => joinpath(fixtures, "cache"))
        withenv(clean...) do
            before = readdir(DEPOT_PATH[1])
            report = build()
            # But for caches, and the log that Pkg keeps of Manifests.
            @test setdiff(readdir(DEPOT_PATH[1]), before) ⊆ ["compiled", "logs"]
            @test report.origin === :built
            @test report.how.linked == LINKABLE
            @test issubset(["Greeter", "Trigger"], [p.name for p in report.packages])
            @test any(row -> row.package == "Greeter" && row.times > 0, report.named_folders)
            @test occursin(r"paths: .* into Greeter", sprint(show, MIME"text/plain"(), report))
            @test any(s -> s.outcome === :precompiled && occursin("Greeter.greet", s.text), report.statements)

            @test sum(row.bytes for row in report.sizes) == report.image_size == filesize(image)
            @test any(row -> row.part === :heap, report.sizes) == !(Sys.iswindows() || Sys.isapple())
            @test maximum(row.bytes for row in report.memory) == report.peak_memory
            @test any(span -> span.kind === :process && span.stage === :trace, report.timeline)
            @test any(s -> s.package == "Greeter", report.statements)
            if chromium() === nothing
                println("skipped: the report's page in a browser: no Chromium")
            else
                dom, console = rendered(write_report(joinpath(fixtures, "report.html"), report))
                @test isempty(console) && occursin("data-shown=\"true\"", dom)
                @test occursin(r"<td>The file</td>.*100\.0 %", dom) && occursin("running the workload", dom)
            end

            julia = joinpath(Sys.BINDIR, Base.julia_exename())
            code = "using Greeter; print(Greeter.greet(Greeter.Name(\"x\")))"
            trace = joinpath(fixtures, "trace.jl")
            session = `$julia --startup-file=no --sysimage=$image --project=$project --trace-compile=$trace -e $code`
            @test occursin("Hello, x", read(session, String))
            @test !isfile(trace) || !any(line -> occursin("Greeter.greet", line), readlines(trace))
            if isdefined(Base, :pkgorigins)
                # Where Julia lies elsewhere the standard library does so too.
                listed = "foreach(origin -> println(origin.path), values(Base.pkgorigins))"
                paths = readlines(`$julia --startup-file=no --sysimage=$image -e $listed`)
                here = joinpath(Sys.STDLIB, "")
                @test Sys.STDLIB == Sys.BUILD_STDLIB_PATH || !any(path -> startswith(path, here), paths)
                missed = "foreach(m -> (p = pathof(m); p === nothing || isfile(p) || println(p)), values(Base.loaded_modules))"
                @test read(`$julia --startup-file=no --sysimage=$image -e $missed`, String) == ""
            end

            @test sysimage_status(image).state === :fresh
            @test build().origin === :up_to_date
            preview = build(; dry_run=true)
            @test preview.up_to_date && isempty(preview.commands) && preview.linker === nothing
            @test startswith(sprint(show, MIME"text/plain"(), preview), "Nothing to do, up to date: $image\n")
            preview = build(; dry_run=true, force=true)
            @test !preview.up_to_date && !isempty(preview.commands)
            @test refresh_sysimage(image; quiet=true).origin === :up_to_date
            if LINKABLE
                @testset "a launcher that keeps it fresh" begin
                    launcher = Base.CoreLogging.with_logger(Base.CoreLogging.NullLogger()) do
                        install_launcher("one"; sysimage=image, project=project, folder=joinpath(fixtures, "bin"),
                            refresh=:background)
                    end
                    show_image = "print(\" on \", unsafe_string(Base.JLOptions().image_file))"
                    start() = PackageCompilerRS.captured(`$launcher --startup-file=no -e "$code; $show_image"`)[2:3]
                    @test start() == ("* Hello, x two * on $image", "")
                    source = joinpath(fixtures, "packages", "Greeter", "src", "Greeter.jl")
                    write(source, replace(read(source, String), "Hello, " => "Good day, "))
                    # At once, without the image.
                    out, said = start()
                    @test startswith(out, "* Good day, x two * on ") && !occursin(image, out)
                    @test occursin("Greeter.jl has changed; starting Julia without it", said)
                    lock = joinpath(PackageCompilerRS.watch_folder(image), "lock")
                    is_built() = sysimage_status(image).state === :fresh && !islink(lock)
                    @test timedwait(is_built, 600.0; pollint=1.0) === :ok
                    @test start() == ("* Good day, x two * on $image", "")
                    # As after each build of this image. Here no package's own file has changed.
                    write_extension(2)
                    @test isempty(build().warnings)
                    @test start() == ("* Good day, x two * on $image", "")
                    found = "using Greeter, Trigger; print(Base.get_extension(Greeter, :GreeterTriggerExt).FOUND)"
                    @test read(`$launcher --startup-file=no -e $found`, String) == "(2, 42)"
                end
            end
            open(io -> println(io, "# an edit"), workload, "a")
            @test [p.kind for p in sysimage_status(image).problems] == [:workload]
        end
    end
end
