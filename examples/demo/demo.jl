# Builds a sysimage of the two packages here, shows what it saves, edits one of them and builds again:
# `make demo`. All of it happens in a copy.

using PackageCompilerRS

const PLACE = joinpath(dirname(dirname(@__DIR__)), ".demo")
const PROJECT = joinpath(PLACE, "project")
const ENDING = Sys.iswindows() ? ".dll" : Sys.isapple() ? ".dylib" : ".so"
const IMAGE = joinpath(PLACE, "DemoSysimage" * ENDING)
const WORKLOAD = joinpath(PROJECT, "rainfall_workload.jl")

const JULIA = joinpath(Sys.BINDIR, Base.julia_exename())
julia(options) = `$JULIA --startup-file=no --project=$PROJECT $options $WORKLOAD`

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

"Builds the image, and gives the report and the seconds of the call."
function build()
    # The progress goes to `stderr`: keep the order where both are one file.
    flush(stdout)
    seconds = @elapsed report = create_sysimage(["Example", "Rainfall"]; sysimage_path=IMAGE,
        project=PROJECT, precompile_execution_file=[joinpath(PROJECT, "precompile_example.jl"), WORKLOAD])
    return report, seconds
end

in_seconds(seconds) = string(round(seconds; digits=2), " s")
told(seconds, compiled) = string(in_seconds(seconds), ", ", length(compiled), " statements compiled")

rm(PROJECT; recursive=true, force=true)
mkpath(PLACE)
cp(@__DIR__, PROJECT)

println("Building a sysimage of the packages Example and Rainfall in ", PROJECT, "\nfor Julia ", VERSION,
    ". Where native code can be linked in (Julia 1.10 to 1.12 on x86-64 Linux) this takes\n",
    "seconds, else minutes, or nothing if nothing has changed since an earlier run.\n")
before = first_result(``)
compiled_before = still_compiled(``)
report, first_seconds = build()
after = first_result(`--sysimage=$IMAGE`)
compiled_after = still_compiled(`--sysimage=$IMAGE`)

println("\nThe report that create_sysimage returned:\n")
show(stdout, MIME"text/plain"(), report)

println("\n\nEditing the package Rainfall and building again.\n")
open(joinpath(PROJECT, "Rainfall", "src", "Rainfall.jl"), "a") do io
    println(io, "\n# An edit.")
end
edited, edit_seconds = build()

println("\nTime to first result of ", basename(WORKLOAD), ", the best of three runs:")
println("  plain Julia:      ", told(before, compiled_before))
println("  on the sysimage:  ", told(after, compiled_after))
println("Time to build the image:")
println("  the first:        ", in_seconds(first_seconds), " (", replace(string(report.origin), '_' => ' '), ")")
println("  after an edit:    ", in_seconds(edit_seconds), " (", replace(string(edited.origin), '_' => ' '), ")")
if !isempty(compiled_after)
    println("Still compiled on the sysimage:")
    foreach(statement -> println("  ", statement), compiled_after)
end
