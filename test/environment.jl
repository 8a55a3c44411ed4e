using PackageCompilerRS: edit_distance, find_project, load_order, nearest, read_environment,
    requested_packages

const ENVIRONMENT = read_environment(joinpath(PROJECT, "Project.toml"))

ids(names) = requested_packages(ENVIRONMENT, names)
order(names) = [package.id.name for package in load_order(ENVIRONMENT, ids(names))]

@testset "each package comes after its dependencies, and the order is always the same" begin
    @test order(["Greeter"]) == ["Helper", "Late", "Twin", "Greeter"]
    @test order(["Greeter", "Trigger"]) == order(["Trigger", "Greeter"])
end

@testset "left out, all that the project can load is asked for, itself included" begin
    @test [id.name for id in ids(nothing)] == ["Dates", "Greeter", "Home", "Trigger", "Twin"]
end

@testset "packages of the same name are told apart by their UUIDs" begin
    twins = [p for p in load_order(ENVIRONMENT, ids(["Greeter", "Twin"])) if p.id.name == "Twin"]
    @test length(twins) == 2
    @test Set(p.version for p in twins) == Set(["1.0.0", "2.0.0"])
end

@testset "versions and paths are those of the Manifest" begin
    greeter = only(p for p in load_order(ENVIRONMENT, ids(["Greeter"])) if p.id.name == "Greeter")
    @test greeter.version == "1.2.0"
    @test greeter.path == joinpath(FIXTURES, "packages", "Greeter")
end

@testset "a Manifest of format 2 says the same" begin
    with_fixtures() do fixtures
        project = joinpath(fixtures, "project")
        manifest = joinpath(project, "Manifest.toml")
        text = replace(read(manifest, String), r"^(\s*)\[\[?(\w+)"m => s"\1[deps.\2")
        text = replace(text, r"^\[deps\.(\w+)\]\]"m => s"[[deps.\1]]")
        write(manifest, "julia_version = \"1.10.6\"\nmanifest_format = \"2.0\"\n\n" * text)
        environment = read_environment(joinpath(project, "Project.toml"))
        found = load_order(environment, requested_packages(environment, ["Greeter"]))
        @test [package.id.name for package in found] == order(["Greeter"])
    end
end

@testset "a project is found by folder, file, shared name, or as the active one" begin
    file = joinpath(PROJECT, "Project.toml")
    @test find_project(PROJECT) == file
    @test find_project(file) == file
    mktempdir() do depot
        shared = joinpath(depot, "environments", "shared-test")
        mkpath(shared)
        write(joinpath(shared, "Project.toml"), "")
        pushfirst!(DEPOT_PATH, depot)
        try
            @test find_project("@shared-test") == joinpath(shared, "Project.toml")
        finally
            popfirst!(DEPOT_PATH)
        end
    end
end

@testset "near names are offered" begin
    @test edit_distance("Example", "Exmaple") == 1
    @test edit_distance("", "abc") == 3
    @test nearest("Greter", ["Greeter", "Home"]) == ["Greeter"]
    @test isempty(nearest("Xyz", ["Greeter", "Home"]))
end
