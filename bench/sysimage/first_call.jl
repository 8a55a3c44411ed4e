# The build of rebuild.jl as the first of its session: prints the image's origin, and the seconds of
# the call alone.
#
#   julia --project=. bench/sysimage/first_call.jl IMAGE PROJECT WORKLOAD STATEMENTS

using PackageCompilerRS

const IMAGE, PROJECT, WORKLOAD, STATEMENTS = ARGS

seconds = @elapsed report = create_sysimage(["Example", "Rainfall"]; sysimage_path=IMAGE,
    project=PROJECT, precompile_execution_file=WORKLOAD, precompile_statements_file=STATEMENTS,
    quiet=true)
print(report.origin, ' ', seconds)
