# How a build grows with the number of packages, and with the number of statements. All packages are
# generated. Each row is a build of its own with nothing in caches.
#
#   julia --project=. bench/sysimage/growth.jl [--packages=1,10,30] [--statements=100,1000,10000,100000,1000000]
#
# An empty list leaves its table out.

using PackageCompilerRS
using Libdl: dlext

include("measure.jl")

name_of(number) = "Part$number"
uuid_of(number) = string(Base.UUID(0x7061727400004000a000000000000000 + number))

"Code that works on a type of its own, so that no package finds the work done by another."
code_of(name) = """
    module $name

    struct Item
        kind::String
        weight::Float64
    end

    "Items by kind, the heaviest first."
    function sorted(items)
        groups = Dict{String,Vector{Item}}()
        foreach(item -> push!(get!(() -> Item[], groups, item.kind), item), items)
        foreach(group -> sort!(group; by=item -> item.weight, rev=true), values(groups))
        return groups
    end

    described(items) = join((string(item.kind, ' ', item.weight) for item in items), ", ")

    # Not a constant, for which Julia generates no code.
    scaled(::Val{N}, x::Number) where {N} = N * x

    end
    """

"Makes a project of `count` packages in `folder`, with a workload that calls each; gives its path."
function generate(folder, count)
    names = name_of.(1:count)
    for (number, name) in enumerate(names)
        source = mkpath(joinpath(folder, name, "src"))
        write(joinpath(source, name * ".jl"), code_of(name))
        write(joinpath(folder, name, "Project.toml"),
            "name = \"$name\"\nuuid = \"$(uuid_of(number))\"\nversion = \"0.1.0\"\n")
    end
    open(joinpath(folder, "Project.toml"), "w") do io
        println(io, "[deps]")
        foreach(number -> println(io, name_of(number), " = \"", uuid_of(number), '"'), 1:count)
    end
    open(joinpath(folder, "Manifest.toml"), "w") do io
        for (number, name) in enumerate(names)
            println(io, "[[", name, "]]\npath = \"", name, "\"\nuuid = \"", uuid_of(number),
                "\"\nversion = \"0.1.0\"\n")
        end
    end
    workload = joinpath(folder, "workload.jl")
    open(workload, "w") do io
        for name in names
            println(io, "import ", name)
            println(io, name, ".described(", name, ".sorted([", name, ".Item(\"a\", 1.5)])[\"a\"])")
        end
    end
    return workload
end

"The most statements of one build that compile something: by what 10^4 take, 10^6 would need 60 GiB."
const MOST_COMPILED = 100_000

"""
Writes `count` statements, each for another specialisation of the same small function; those past
`MOST_COMPILED` name a call that no method takes, and cost all but inference and code.
"""
function write_statements(path, count)
    open(path, "w") do io
        for number in 1:count
            type = number <= MOST_COMPILED ? "Float64" : "String"
            println(io, "precompile(Tuple{typeof(", name_of(1), ".scaled), Val{", number, "}, ", type, "})")
        end
    end
    return path
end

"Builds an image of `packages` generated packages and `statements` generated statements."
function build(packages, statements)
    with_empty_caches() do folder
        project = mkpath(joinpath(folder, "project"))
        workload = generate(project, packages)
        file = write_statements(joinpath(folder, "statements.jl"), statements)
        seconds = @elapsed report = create_sysimage(; sysimage_path=joinpath(folder, "bench." * dlext),
            project=project, precompile_execution_file=workload, precompile_statements_file=file,
            quiet=true)
        return seconds, report
    end
end

const STAGES = [:precompile, :trace, :statements, :image, :link, :verify, :publish]
const COLUMNS = ["compiled statements"; string.(STAGES, ", s"); "evaluating, of image, s";
    "peak memory, GiB"; "image, MiB"; "wall, s"; "ratio"]

"One table: the rows are what `build_with(number)` gives."
function print_growth(what, numbers, build_with)
    isempty(numbers) && return nothing
    print_head("Growth with $what", [what; COLUMNS])
    smallest = nothing
    for number in sort(numbers)
        seconds, report = build_with(number)
        smallest = something(smallest, seconds)
        took = Dict(s.stage => s.seconds for s in report.stages)
        compiled = count(s -> s.outcome === :precompiled, report.statements)
        print_row(Any[number; compiled; [get(took, stage, 0.0) for stage in STAGES];
            sum(s.seconds for s in report.statements); report.peak_memory / 2^30;
            report.image_size / 2^20; seconds; seconds / smallest])
    end
    return nothing
end

const OPTIONS = options((), Dict("packages" => "1,10,30", "statements" => "100,1000,10000,100000,1000000"))
numbers(option) = parse.(Int, split(OPTIONS[option], ','; keepempty=false))

print_growth("packages", numbers("packages"), number -> build(number, 0))
print_growth("statements", numbers("statements"), number -> build(1, number))
