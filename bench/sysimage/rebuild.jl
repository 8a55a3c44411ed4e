# What a build costs after each kind of change, beside the build that has to do everything. The
# project is a copy of examples/demo.
#
#   julia --project=. bench/sysimage/rebuild.jl

using PackageCompilerRS
using Libdl: dlext

include("measure.jl")

"Builds after `change`, and prints what that took."
function measure(change, what, full; image, project, statements, workload)
    change()
    seconds = @elapsed report = build_demo(image, project, workload, statements)
    # Else the stages are those of the build that made the image.
    ran = report.origin === :built ? report.stages : []
    stages = join((string(s.stage, ' ', shown(s.seconds)) for s in ran), ", ")
    print_row([what, isempty(ran) ? report.origin : stages, seconds,
        seconds / something(full, seconds)])
    return seconds
end

"Builds again, with nothing changed, as the first call of a new session."
function measure_first_call(full; image, project, statements, workload)
    script = joinpath(@__DIR__, "first_call.jl")
    origin, text = split(read(`$(Base.julia_cmd()) --startup-file=no --project=$ROOT $script
        $image $project $workload $statements`, String))
    seconds = parse(Float64, text)
    print_row(["nothing, in a new session", origin, seconds, seconds / full])
end

append(path, text) = open(io -> write(io, text), path, "a")

with_empty_caches() do folder
    project = cp(joinpath(ROOT, "examples", "demo"), joinpath(folder, "demo"))
    statements = joinpath(folder, "statements.jl")
    write(statements, "precompile(Tuple{typeof(Example.domath), Int64})\n")
    files = (image=joinpath(folder, "bench." * dlext), project=project, statements=statements,
        workload=joinpath(project, "rainfall_workload.jl"))

    print_head("Rebuilding examples/demo", ["what changed", "stages that ran, s", "wall, s", "ratio"])
    full = measure(() -> nothing, "all: the first build", nothing; files...)
    measure(() -> nothing, "nothing", full; files...)
    measure_first_call(full; files...)
    for (what, change) in (
        "a statement" => () -> append(statements, "precompile(Tuple{typeof(Example.domath), Float64})\n"),
        "the workload" => () -> append(files.workload, "read_days(IOBuffer(\"2024-01-01,1\"))\n"),
        "one byte of a package" => () -> append(joinpath(project, "Rainfall", "src", "Rainfall.jl"), "\n"),
    )
        measure(change, what, full; files...)
    end
end
