# Where the cache is; what the engine does with it has tests in Rust.

using PackageCompilerRS: adopt_former_cache, cache_dir, cache_plan

"Runs `f(depot)` with an empty depot before all others, and none of the user's choices."
function with_depot(f)
    mktempdir() do depot
        depot = realpath(depot)
        pushfirst!(DEPOT_PATH, depot)
        try
            withenv(() -> f(depot), "PCRS_CACHE_DIR" => nothing, "PCRS_CACHE_SHARED" => nothing)
        finally
            popfirst!(DEPOT_PATH)
        end
    end
end

former(depot) = joinpath(depot, "scratchspaces", "22b4faf9-3bd3-4acf-8f37-4b04e4310b08")

@testset "the cache is where Pkg.gc does not look" begin
    with_depot() do depot
        @test cache_dir() == joinpath(depot, "packagecompilerrs", "cache")
        @test !cache_plan()["shared"]
        withenv("PCRS_CACHE_SHARED" => "1") do
            @test cache_plan()["shared"]
        end
    end
end

@testset "a cache in a scratch space is moved once" begin
    with_depot() do depot
        old = joinpath(mkpath(joinpath(former(depot), "cache")), "timings.json")
        write(old, "{}")
        # Looking is not touching.
        plan_of("Greeter")
        @test isfile(old)
        info = cache_info()
        @test info.dir == cache_dir()
        kinds = [kind.kind for kind in info.kinds]
        docstrings = Base.Docs.meta(PackageCompilerRS)[Base.Docs.Binding(PackageCompilerRS, :CacheInfo)].docs
        @test all(kind -> occursin("`:$kind`", string([doc.text for doc in values(docstrings)])), kinds)
        page = read(joinpath(dirname(@__DIR__), "docs", "src", "howto", "caches.md"), String)
        @test all(kind -> occursin("\n| `$kind` |", page) && occursin(Regex("\n  $kind +\\d+ entries"), page), kinds)
        @test read(joinpath(cache_dir(), "timings.json"), String) == "{}"
        @test !ispath(former(depot))
        # One that an older version of this package makes later is left to it.
        mkpath(dirname(old))
        adopt_former_cache()
        @test isdir(dirname(old)) && isfile(joinpath(cache_dir(), "timings.json"))
    end
    with_depot() do depot
        old = mkpath(joinpath(former(depot), "cache"))
        withenv("PCRS_CACHE_DIR" => joinpath(depot, "mine")) do
            adopt_former_cache()
        end
        @test isdir(old) && !ispath(joinpath(depot, "packagecompilerrs"))
    end
end
