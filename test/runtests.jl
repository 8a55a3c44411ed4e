# The parts without an image take seconds; the images take minutes, see apps.jl, linked.jl and images.jl. Names given
# as arguments choose test files: `julia --project test/runtests.jl json plan`.

using PackageCompilerRS
using Test

const FILES = ["json", "environment", "plan", "engine", "cache", "sysimage_toml", "test_suite", "errors", "status",
    "jsonc", "launchers", "recording", "docs", "command", "apps", "linked", "images"]
const CHOSEN = isempty(ARGS) ? FILES : ARGS

include("helpers.jl")

try
    @testset "PackageCompilerRS on Julia $VERSION" begin
        for file in FILES
            if file in CHOSEN
                @testset "$file" begin
                    include(file * ".jl")
                end
            else
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
