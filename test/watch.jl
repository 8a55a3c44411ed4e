# What launchers that keep an image fresh look at: files that tell of a change of what it was built from.

using PackageCompilerRS: default_sysimage, parse_json, stamp_of, watched_files, write_json

"The files watched for an image of `packages` of the `project` in `fixtures`, by their paths there."
function watched(fixtures, packages=nothing; project="project", kwargs...)
    fixtures = realpath(fixtures)
    image = joinpath(fixtures, "X.so")
    write(image, "an image")
    plan = plan_of(packages; project=joinpath(fixtures, project), sysimage_path=image,
        base_sysimage=default_sysimage(), kwargs...)
    stamp = parse_json(write_json(stamp_of(plan, image)))
    files = filter(file -> startswith(file, fixtures), watched_files(stamp, image))
    return Set(replace(relpath(file, fixtures), '\\' => '/') for file in files)
end

@testset "what is not in an image is watched only if a workload or script can load it" begin
    with_fixtures() do fixtures
        package(name) = "packages/$name/src/$name.jl"
        write(joinpath(fixtures, "outside.jl"), "")
        write(joinpath(fixtures, package("Trigger")), "module Trigger\ninclude(\"../../../outside.jl\")\nend\n")
        elsewhere = ["project/src/Home.jl", package("Trigger"), "outside.jl"]
        inside = [package("Greeter"), package("Helper"), "project/Project.toml", "project/Manifest.toml"]
        for (packages, kwargs) in ((nothing, (exclude=["Home", "Trigger"],)), (["Greeter"], NamedTuple()))
            files = watched(fixtures, packages; kwargs...)
            @test issubset(inside, files) && isdisjoint(elsewhere, files)
            for keyword in (:workload, :script)
                more = merge(kwargs, NamedTuple{(keyword,)}((joinpath(WORKLOADS, "greet.jl"),)))
                @test issubset([inside; elsewhere], watched(fixtures, packages; more...))
            end
        end
        @test issubset(elsewhere, watched(fixtures))
    end
end

@testset "folders that `include_dependency` names are watched, and files that may come" begin
    with_fixtures() do fixtures
        mkpath(joinpath(fixtures, "data"))
        write(joinpath(fixtures, "packages", "Greeter", "src", "Greeter.jl"), """
            module Greeter
            include_dependency("../../../data")
            isfile("../../../settings.jl") && include("../../../settings.jl")
            end
            """)
        @test issubset(["data", "settings.jl"], watched(fixtures, "Greeter"))
    end
end

@testset "of test suites all that their processes can load is watched" begin
    with_fixtures() do fixtures
        files = watched(fixtures, "Suited"; project="suites", workload=TestSuite("Suited"))
        @test issubset(["packages/Suited/test/runtests.jl", "packages/Checker/src/Checker.jl",
            "packages/Checker/Project.toml"], files)
    end
end
