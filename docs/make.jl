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
            "howto/packages.md",
            "howto/statements.md",
            "howto/report.md",
            "howto/test_suites.md",
            "howto/sysimage_toml.md",
            "howto/scripts.md",
            "howto/libraries.md",
            "howto/launchers.md",
            "howto/fresh.md",
            "howto/development.md",
            "howto/updates.md",
            "howto/caches.md",
            "howto/packagecompiler.md",
        ],
        "Where Julia runs" => [
            "howto/vscode.md",
            "howto/jupyter.md",
            "howto/pluto.md",
            "howto/distributed.md",
            "howto/clusters.md",
            "howto/elsewhere.md",
        ],
        "When something is wrong" => [
            "howto/troubleshooting.md",
            "howto/limits.md",
        ],
        "Reference" => "reference.md",
        "Benchmarks" => "benchmarks.md",
        "Design" => "design.md",
    ],
)
