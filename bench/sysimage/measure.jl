# What the benchmarks of whole images share.

const ROOT = dirname(dirname(@__DIR__))

"The arguments `--name=value` by name; `required` are those that have no default."
function options(required, defaults)
    found = copy(defaults)
    for arg in ARGS
        parts = match(r"^--(\w+)=(.*)$"s, arg)
        known = parts !== nothing && (parts[1] in required || haskey(defaults, parts[1]))
        known || error("there is no option $arg; see the head of $PROGRAM_FILE")
        found[parts[1]] = parts[2]
    end
    for name in required
        haskey(found, name) || error("--$name is missing; see the head of $PROGRAM_FILE")
    end
    return found
end

"""
Runs `f` with a temporary folder, in which builds then have an empty depot (in front of the others,
which hold what Julia brings) and an empty cache.
"""
function with_empty_caches(f)
    mktempdir() do folder
        withenv("JULIA_DEPOT_PATH" => joinpath(folder, "depot") * ":",
            "PCRS_CACHE_DIR" => joinpath(folder, "cache")) do
            f(folder)
        end
    end
end

"Builds the packages of a copy of examples/demo into `image`."
build_demo(image, project, workload, statements) =
    create_sysimage(["Example", "Rainfall"]; sysimage_path=image, project=project,
        precompile_execution_file=workload, precompile_statements_file=statements, quiet=true)

"Begins a table; rows follow one by one, so that a run that is stopped has told what it knew."
function print_head(title, columns)
    println("\n", title, ", Julia ", VERSION, ", ", Sys.CPU_THREADS, " cores\n")
    print_row(columns)
    print_row(["---"; fill("---:", length(columns) - 1)])
end

function print_row(cells)
    println("| ", join(map(shown, cells), " | "), " |")
    flush(stdout)
end

shown(cell) = string(cell)
shown(cell::AbstractFloat) = string(round(cell; sigdigits=3))
