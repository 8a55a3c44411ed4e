# Builds a sysimage of the two packages here and shows what it saves: `make demo`.

using PackageCompilerRS

const HERE = @__DIR__
const IMAGE = joinpath(dirname(dirname(HERE)), ".demo", "DemoSysimage." * (Sys.iswindows() ? "dll" : Sys.isapple() ? "dylib" : "so"))
const WORKLOAD = joinpath(HERE, "rainfall_workload.jl")

julia(options) = `$(joinpath(Sys.BINDIR, Base.julia_exename())) --startup-file=no --project=$HERE $options $WORKLOAD`

"Seconds from the start of Julia to the end of the workload: the best of three."
first_result(options) = minimum(@elapsed(run(pipeline(julia(options); stdout=devnull))) for _ in 1:3)

"What Julia still compiles for the workload, one statement a line."
function still_compiled(options)
    trace = tempname()
    run(pipeline(julia(`$options --trace-compile=$trace`); stdout=devnull))
    statements = isfile(trace) ? readlines(trace) : String[]
    rm(trace; force=true)
    return statements
end

println("Building a sysimage of the packages Example and Rainfall in ", HERE)
println("for Julia ", VERSION, ". This takes two to six minutes.\n")
before = first_result(``)
compiled_before = still_compiled(``)
report = create_sysimage(["Example", "Rainfall"]; sysimage_path=IMAGE, project=HERE,
    precompile_execution_file=[joinpath(HERE, "precompile_example.jl"), WORKLOAD])
after = first_result(`--sysimage=$IMAGE`)
compiled_after = still_compiled(`--sysimage=$IMAGE`)

println()
show(stdout, MIME"text/plain"(), report)
println("\n\nTime to first result of ", basename(WORKLOAD), ":")
println("  plain Julia:      ", round(before; digits=2), " s, ", length(compiled_before), " statements compiled")
println("  on the sysimage:  ", round(after; digits=2), " s, ", length(compiled_after), " statements compiled")
if !isempty(compiled_after)
    println("Still compiled on the sysimage:")
    foreach(statement -> println("  ", statement), compiled_after)
end
