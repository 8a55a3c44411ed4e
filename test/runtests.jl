# Without arguments what takes minutes, with one image, as with `short`. `long` runs those in `LONG`, many images
# that take far longer, `all` both. Names choose test files: `julia --project test/runtests.jl json plan`, or
# `Pkg.test("PackageCompilerRS"; test_args=["all"])`.

using PackageCompilerRS
using Test

const FILES = ["json", "system", "environment", "plan", "engine", "cache", "sysimage_toml", "test_suite", "errors", "progress",
    "report_page", "status", "refresh", "watch", "jsonc", "launchers", "launcher_refresh", "several_cpus", "recording", "docs", "command",
    "installation", "one_image", "bundle_sysimage", "apps", "linked", "images"]
const LONG = ["bundle_sysimage", "apps", "linked", "images"]
const SETS = Dict("all" => FILES, "long" => LONG, "short" => setdiff(FILES, LONG))
const CHOSEN = isempty(ARGS) ? SETS["short"] : length(ARGS) == 1 ? get(SETS, ARGS[1], ARGS) : ARGS

unknown = setdiff(CHOSEN, FILES)
isempty(unknown) || error("no such tests: ", join(unknown, ", "), "; there are all, long, short, ", join(FILES, ", "))

include("helpers.jl")
include("browser.jl")

try
    @testset "PackageCompilerRS on Julia $VERSION" begin
        for file in FILES
            if file in CHOSEN
                @testset "$file" begin
                    before = Dict(ENV)
                    seconds = @elapsed include(file * ".jl")
                    # What is left behind decides what later files see.
                    @test Dict(ENV) == before
                    println(file, ".jl took ", round(Int, seconds), " s")
                end
            elseif !(ARGS in (["long"], ["short"])) # each is one half of a whole
                println("skipped: ", file, ".jl was not asked for")
            end
        end
    end
catch err
    err isa Test.TestSetException || rethrow()
    # Once more, below the table: what came before is long, and a log may be cut.
    foreach(println, err.errors_and_fails)
    exit(1)
end
