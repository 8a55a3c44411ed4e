# Makes HTML of these pages in docs/build. Once:
#   julia --project=docs -e 'using Pkg; Pkg.develop(path="."); Pkg.instantiate()'
# and then:
#   julia --project=docs docs/make.jl

using Documenter
using PackageCompilerRS

makedocs(;
    sitename="PackageCompilerRS",
    modules=[PackageCompilerRS],
    checkdocs=:exports,
    # The pages link to no host of the sources.
    remotes=nothing,
    format=Documenter.HTML(;
        prettyurls=get(ENV, "CI", "") == "true",
        edit_link=nothing,
        repolink=nothing,
    ),
    pages=[
        "Home" => "index.md",
        "Tutorial" => "sysimages.md",
        "Apps" => "apps.md",
        "How to" => [
            "howto/statements.md",
            "howto/test_suites.md",
            "howto/sysimage_toml.md",
            "howto/scripts.md",
            "howto/libraries.md",
            "howto/launchers.md",
            "howto/fresh.md",
            "howto/caches.md",
            "howto/packagecompiler.md",
        ],
        "Reference" => "reference.md",
        "Benchmarks" => "benchmarks.md",
        "Design" => "design.md",
    ],
)
