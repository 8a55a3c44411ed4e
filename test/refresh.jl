# Building an image again by its stamp.

using PackageCompilerRS: Options, call_of, make_plan, parse_json, plan_again, write_json

"The plan of a call, as a stamp has it, and the one of the call that is made of it."
function there_and_back(packages; kwargs...)
    plan = parse_json(write_json(plan_of(packages; base_sysimage=PackageCompilerRS.default_sysimage(), kwargs...)))
    named, keywords = call_of(plan)
    again = make_plan(named, Options(; sysimage_path="X.so", project=PROJECT, quiet=true, dry_run=true, keywords...))
    return plan, parse_json(write_json(again))
end

@testset "the call that is made of a plan gives that plan" for (packages, kwargs) in [
    (["Greeter"], NamedTuple()),
    (nothing, NamedTuple()),
    (["Greeter"], (import_into_main=false, include_transitive_dependencies=false, guard=true, strict=true,
        linked=false, compile_all=true, verify=false)),
    (["Greeter"], (verify=:trace, statement_timeout=Inf, idle_limit=30, image_threads=2, trace_jobs=1,
        workload_threads=3, compress_sysimage=false, sysimage_build_args=`-O1`, include_stdlibs=["Dates"])),
    (["Greeter"], (precompile_execution_file=joinpath(WORKLOADS, "greet.jl"), workload_deps=[WORKLOADS],
        script=joinpath(WORKLOADS, "script.jl"), environment_inputs=["MY_FLAG"])),
    (["Greeter"], (incremental=false, base_sysimage=nothing, filter_stdlibs=true)),
]
    plan, again = there_and_back(packages; kwargs...)
    # The sessions are the same one.
    @test plan == again
    foreach(key -> plan[key] == again[key] || println(key, ": ", plan[key], " and ", again[key]), keys(plan))
end

@testset "the project itself goes in when its source is there" begin
    with_fixtures() do fixtures
        project = joinpath(fixtures, "project")
        requested(plan) = [p["name"] for p in plan["packages"] if p["requested"]]
        source, away = joinpath(project, "src"), joinpath(fixtures, "away")
        mv(source, away)
        plan = parse_json(write_json(plan_of(; project=project)))
        @test !("Home" in requested(plan))
        mv(away, source)
        named, keywords = call_of(plan)
        again = make_plan(named, Options(; sysimage_path="X.so", project=project, quiet=true, dry_run=true, keywords...))
        @test "Home" in requested(again)
    end
end

@testset "a package that was left out may leave the project" begin
    with_fixtures() do fixtures
        project = joinpath(fixtures, "project")
        asked(plan) = [package["name"] for package in plan["packages"] if package["requested"]]
        plan = plan_of(; project=project, exclude=["Home", "Trigger"])
        file = joinpath(project, "Project.toml")
        write(file, replace(read(file, String), r"^Trigger = .*\n"m => ""))
        again = plan_again(plan, "X.so", project; quiet=true, log=nothing)
        # It may come back.
        @test again["exclude"] == ["Home", "Trigger"]
        @test asked(again) == asked(plan)
        # Of a call it may be a slip.
        err = @test_throws BuildError plan_of(; project=project, exclude=["Home", "Trigger"])
        @test occursin("`Trigger` is not in the project", err.value.message)
    end
end

@testset "what cannot be built again" begin
    mktempdir() do dir
        image = joinpath(dir, "x.so")
        said() = (err = try refresh_sysimage(image); nothing catch err; err end; sprint(showerror, err))
        @test occursin("there is no sysimage", said())
        write(image, "no image")
        @test occursin("it has no stamp", said())
    end
    plan = plan_of(["Greeter"])
    plan["library"] = Dict("name" => "x")
    @test_throws BuildError call_of(plan)
end
