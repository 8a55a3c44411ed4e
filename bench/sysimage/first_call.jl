# The build of rebuild.jl as the first of its session: prints the image's origin, and the seconds of
# the call alone.
#
#   julia --project=. bench/sysimage/first_call.jl IMAGE PROJECT WORKLOAD STATEMENTS

using PackageCompilerRS

include("measure.jl")

const IMAGE, PROJECT, WORKLOAD, STATEMENTS = ARGS

seconds = @elapsed report = build_demo(IMAGE, PROJECT, WORKLOAD, STATEMENTS)
print(report.origin, ' ', seconds)
