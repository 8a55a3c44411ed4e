# Builds a sysimage of the two packages here and shows what it saves: `make demo`.

using PackageCompilerRS

const HERE = @__DIR__
const ENDING = Sys.iswindows() ? ".dll" : Sys.isapple() ? ".dylib" : ".so"
const IMAGE = joinpath(dirname(dirname(HERE)), ".demo", "DemoSysimage" * ENDING)
const WORKLOAD = joinpath(HERE, "rainfall_workload.jl")

const JULIA = joinpath(Sys.BINDIR, Base.julia_exename())
julia(options) = `$JULIA --startup-file=no --project=$HERE $options $WORKLOAD`

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
println("for Julia ", VERSION, ". This takes two to six minutes, or seconds if nothing has changed since\nan earlier run.\n")
# The progress goes to `stderr`: keep the order where both are one file.
flush(stdout)
before = first_result(``)
compiled_before = still_compiled(``)
report = create_sysimage(["Example", "Rainfall"]; sysimage_path=IMAGE, project=HERE,
    precompile_execution_file=[joinpath(HERE, "precompile_example.jl"), WORKLOAD])
after = first_result(`--sysimage=$IMAGE`)
compiled_after = still_compiled(`--sysimage=$IMAGE`)

told(seconds, compiled) = string(round(seconds; digits=2), " s, ", length(compiled), " statements compiled")

println("\nThe report that create_sysimage returned:\n")
show(stdout, MIME"text/plain"(), report)
println("\n\nTime to first result of ", basename(WORKLOAD), ", the best of three runs:")
println("  plain Julia:      ", told(before, compiled_before))
println("  on the sysimage:  ", told(after, compiled_after))
if !isempty(compiled_after)
    println("Still compiled on the sysimage:")
    foreach(statement -> println("  ", statement), compiled_after)
end
