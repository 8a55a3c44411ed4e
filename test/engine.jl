# The engine's work as this side starts it, waits for it and ends it.

const live_builds = PackageCompilerRS.LIVE_BUILDS

@testset "no interrupt comes between the start of work and its place in the list" begin
    start = wake -> begin
        # The first is an error where interrupts are not held back.
        Base.sigatomic_end()
        Base.sigatomic_begin()
        PackageCompilerRS.start_with(Dict{String,Any}(), :pcrs_start, wake)
    end
    err = @test_throws BuildError PackageCompilerRS.run_to_end(event -> nothing, start)
    @test occursin("cannot read the build plan", sprint(showerror, err.value))
    @test isempty(live_builds)
end

@testset "an interrupt ends what reads files" begin
    mktempdir() do dir
        data = joinpath(dir, "data.bin")
        # More than any machine reads to its end; it takes no room.
        open(io -> truncate(io, 2^42), data, "w")
        image = joinpath(dir, "X.so")
        plan = plan_of(["Greeter"]; workload_deps=[data])
        for ask in (() -> PackageCompilerRS.stamp_of(plan, image),
                () -> PackageCompilerRS.inspect_image(data))
            task = @async ask()
            while isempty(live_builds) && !istaskdone(task)
                yield()
            end
            schedule(task, InterruptException(); error=true)
            @test_throws TaskFailedException fetch(task)
            @test isempty(live_builds)
        end
    end
end

@testset "other tasks run while files are read" begin
    plan = plan_of(["Greeter"])
    ticks = Ref(0)
    going = Ref(true)
    counter = @async while going[]
        ticks[] += 1
        sleep(0.001)
    end
    try
        PackageCompilerRS.stamp_of(plan, "X.so")
    finally
        going[] = false
    end
    wait(counter)
    @test ticks[] > 0
end

@testset "names" begin
    # Makie has a `record` too, and is loaded in just the sessions that record.
    @test !Base.isexported(PackageCompilerRS, :record) && isdefined(PackageCompilerRS, :record)
    documented = [String(match[1]) for page in (joinpath(dirname(@__DIR__), "docs", "src", "reference.md"),)
        for block in eachmatch(r"```@docs\n(.*?)```"s, read(page, String)) for match in eachmatch(r"^(\S+)$"m, block[1])]
    for name in replace.(documented, "PackageCompilerRS." => "")
        @test isdefined(PackageCompilerRS, Symbol(name))
        public = VERSION >= v"1.11" ? Base.ispublic(PackageCompilerRS, Symbol(name)) :
            Symbol(name) in names(PackageCompilerRS) || name in ("CacheInfo", "Launcher", "main", "record")
        @test public
    end
end

@testset "a fresh base names Julia's sources, not the copy that it is made from" begin
    mktempdir() do dir
        staging = joinpath(dirname(@__DIR__), "rust", "engine", "src", "staging")
        copy = joinpath(mkpath(joinpath(dir, "work")), "sysimg.jl")
        # As Julia 1.5 has it, and newer ones.
        write(copy, """
            pushfirst!(Base._included_files, (Main, joinpath(@__DIR__, "Base.jl")))
            pushfirst!(Base._included_files, (Main, abspath(@__FILE__)))
            before = Base._included_files[end]
            """, read(joinpath(staging, "sysimg_end.jl"), String), """
            print(Base._included_files[1][2], '|', Base._included_files[2][2], '|', Base._included_files[end] == before)
            """)
        base = realpath(mkpath(joinpath(dir, "base")))
        julia = joinpath(Sys.BINDIR, Base.julia_exename())
        said = read(Cmd(`$julia --startup-file=no $copy`; dir=base), String)
        @test said == string(joinpath(base, "sysimg.jl"), '|', joinpath(base, "Base.jl"), "|true")
    end
end
