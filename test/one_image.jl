# The way of a user, with one image: built, used, up to date, stale. All else about images is in images.jl and
# linked.jl, which take long.

@testset "one image" begin
    with_fixtures() do fixtures
        project = realpath(joinpath(fixtures, "project"))
        workload = joinpath(fixtures, "workloads", "greet.jl")
        image = joinpath(fixtures, "One." * PackageCompilerRS.Libdl.dlext)
        build(; keywords...) = create_sysimage("Greeter"; sysimage_path=image, project=project,
            workload=workload, quiet=true, keywords...)
        clean = ("JULIA_LOAD_PATH" => nothing, "JULIA_PROJECT" => nothing,
            "PCRS_CACHE_DIR" => joinpath(fixtures, "cache"))
        withenv(clean...) do
            before = readdir(DEPOT_PATH[1])
            report = build()
            # But for caches, and the log that Pkg keeps of Manifests.
            @test setdiff(readdir(DEPOT_PATH[1]), before) ⊆ ["compiled", "logs"]
            @test report.origin === :built
            @test report.how.linked == LINKABLE
            @test "Greeter" in [p.name for p in report.packages]
            @test any(row -> row.package == "Greeter" && row.times > 0, report.named_folders)
            @test occursin(r"paths: .* into Greeter", sprint(show, MIME"text/plain"(), report))
            @test any(s -> s.outcome === :precompiled && occursin("Greeter.greet", s.text), report.statements)

            julia = joinpath(Sys.BINDIR, Base.julia_exename())
            code = "using Greeter; print(Greeter.greet(Greeter.Name(\"x\")))"
            trace = joinpath(fixtures, "trace.jl")
            session = `$julia --startup-file=no --sysimage=$image --project=$project --trace-compile=$trace -e $code`
            @test occursin("Hello, x", read(session, String))
            @test !isfile(trace) || !any(line -> occursin("Greeter.greet", line), readlines(trace))

            @test sysimage_status(image).state === :fresh
            @test build().origin === :up_to_date
            @test refresh_sysimage(image; quiet=true).origin === :up_to_date
            open(io -> println(io, "# an edit"), workload, "a")
            @test [p.kind for p in sysimage_status(image).problems] == [:workload]
        end
    end
end
