using PackageCompilerRS: edit_distance, find_project, installed_environment, instantiate_with, is_installed, load_order,
    nearest, needs_no_registry, packages_of_workspace, read_environment, requested_packages, resolved_environment

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

@testset "a project of what is here gets its Manifest without a registry" begin
    needs_none(text) = mktemp((path, io) -> (write(io, text); close(io); needs_no_registry(path)))
    elsewhere = "A = \"00000000-0000-0000-0000-000000000001\""
    @test needs_none("")
    @test needs_none("[deps]\n$elsewhere\n[sources]\nA = {path = \"../A\"}")
    @test !needs_none("[deps]\n$elsewhere\n[sources]\nA = {url = \"https://a.b/A\"}")
    @test !needs_none("[deps]\n$elsewhere")
    VERSION < v"1.6" && println("skipped: the Pkg of Julia 1.5 wants a registry for every new Manifest")
    VERSION < v"1.6" || mktempdir() do depot
        # Before the depots change, which may have its cache.
        PackageCompilerRS.pkg(:API)
        for deps in ("", "\n[deps]\nDates = \"ade2ca70-3891-5945-98fb-dc099432e06a\"\n")
            project = joinpath(mktempdir(depot), "Project.toml")
            write(joinpath(mkdir(joinpath(dirname(project), "src")), "Alone.jl"), "module Alone end")
            write(project, "name = \"Alone\"\nuuid = \"00000000-0000-0000-0000-000000000002\"\n", deps)
            depots = copy(DEPOT_PATH)
            environment = try
                copy!(DEPOT_PATH, [depot; filter(folder -> !isdir(joinpath(folder, "registries")), depots)])
                installed_environment(project; quiet=true)
            finally
                copy!(DEPOT_PATH, depots)
            end
            @test environment.manifest_file == joinpath(dirname(project), "Manifest.toml")
            @test sort!(collect(keys(environment.direct))) == (isempty(deps) ? ["Alone"] : ["Alone", "Dates"])
            @test !isdir(joinpath(depot, "registries"))
        end
    end
end

@testset "a weak dependency that older Julias are told of is none" begin
    mktempdir() do dir
        project = joinpath(dir, "Project.toml")
        write(project, """
            name = "Own"
            uuid = "22222222-bbbb-4bbb-8bbb-00000000000a"
            [deps]
            Dates = "ade2ca70-3891-5945-98fb-dc099432e06a"
            Other = "22222222-bbbb-4bbb-8bbb-00000000000B"
            [weakdeps]
            Other = "22222222-bbbb-4bbb-8bbb-00000000000b"
            [extensions]
            OtherExt = "Other"
            """)
        write(joinpath(dir, "Manifest.toml"), """
            manifest_format = "2.0"
            [[deps.Dates]]
            uuid = "ade2ca70-3891-5945-98fb-dc099432e06a"
            """)
        environment = read_environment(project)
        # Weak dependencies came with Julia 1.9.
        weak = VERSION >= v"1.9"
        @test haskey(environment.direct, "Other") == !weak
        @test is_installed(environment) == weak
        @test needs_no_registry(project) == weak
        if weak
            @test resolved_environment(project).packages[Base.UUID("22222222-bbbb-4bbb-8bbb-00000000000a")].dependencies ==
                [Base.UUID("ade2ca70-3891-5945-98fb-dc099432e06a")]
            for ask in (() -> requested_packages(environment, ["Other"]),
                    () -> PackageCompilerRS.planned_tests(environment, TestSuite("Other")))
                err = @test_throws BuildError ask()
                @test occursin("only a weak dependency", err.value.cause)
            end
        else
            err = @test_throws BuildError resolved_environment(project)
            @test occursin("lacks `Other`", err.value.message)
        end
    end
end

VERSION >= v"1.6" && @testset "what a package at a path needs may be in a registry that is not there yet" begin
    mktempdir() do dir
        project = joinpath(dir, "Project.toml")
        write(project, "")
        asked = []
        # In the place of Pkg's modules.
        types = (Context=(; env) -> env, EnvCache=file -> Ref(file))
        pkg(; fails) = (resolve=(context; io) -> (push!(asked, :resolve => context); fails && error("not registered")),
            instantiate=(context; io, allow_autoprecomp) -> push!(asked, :instantiate => context))
        instantiate_with(pkg(; fails=false), types, project; quiet=true)
        @test first.(asked) == [:resolve]
        instantiate_with(pkg(; fails=true), types, project; quiet=true)
        @test first.(asked) == [:resolve, :resolve, :instantiate]
        # What failed may have left something in its own.
        @test asked[2].second !== asked[3].second
        write(project, "[deps]\nA = \"00000000-0000-0000-0000-000000000001\"\n")
        instantiate_with(pkg(; fails=false), types, project; quiet=true)
        @test first.(asked[4:end]) == [:instantiate]
    end
end

isdefined(Base, :base_project) && @testset "the packages of a workspace need no registry" begin
    mktempdir() do depot
        PackageCompilerRS.pkg(:API)
        root = joinpath(realpath(depot), "Root")
        id(digit) = "00000000-0000-0000-0000-00000000000$digit"
        function package(folder, name, digit, rest)
            write(joinpath(mkpath(joinpath(folder, "src")), "$name.jl"), "module $name end")
            rm(joinpath(folder, "Project.toml"); force=true)
            write(joinpath(folder, "Project.toml"), "name = \"$name\"\nuuid = \"$(id(digit))\"\n", rest)
            return joinpath(folder, "Project.toml")
        end
        # In a circle, and with one that is gone.
        package(root, "Root", 1, "[workspace]\nprojects = [\"member\", \".\", \"gone\"]\n")
        member = package(joinpath(root, "member"), "Member", 2,
            "[deps]\nRoot = \"$(id(1))\"\n[workspace]\nprojects = [\"below\", \"..\"]\n")
        below = package(joinpath(root, "member", "below"), "Below", 3, "[deps]\nOther = \"$(id(4))\"\n")
        @test sort(packages_of_workspace(below)) == sort(packages_of_workspace(member)) == ["Below", "Member", "Root"]
        @test needs_no_registry(member) && !needs_no_registry(below)
        rm(dirname(below); recursive=true)
        package(root, "Root", 1, "[workspace]\nprojects = [\"member\"]\n")
        package(joinpath(root, "member"), "Member", 2, "[deps]\nRoot = \"$(id(1))\"\n")
        depots = copy(DEPOT_PATH)
        environment = try
            copy!(DEPOT_PATH, [depot; filter(folder -> !isdir(joinpath(folder, "registries")), depots)])
            installed_environment(member; quiet=true)
        finally
            copy!(DEPOT_PATH, depots)
        end
        @test environment.manifest_file == joinpath(root, "Manifest.toml")
        @test sort!(collect(keys(environment.direct))) == ["Member", "Root"]
        @test !isdir(joinpath(depot, "registries"))
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

@testset "of a workspace's Manifest only what the project can reach counts" begin
    mktempdir() do dir
        entry(name, digit, rest="") = "[[deps.$name]]\npath = \"$name\"\n" *
            "uuid = \"22222222-bbbb-4bbb-8bbb-00000000000$digit\"\nversion = \"1.0.0\"\n$rest\n"
        project = joinpath(dir, "Project.toml")
        write(project, "[deps]\nA = \"22222222-bbbb-4bbb-8bbb-000000000001\"\n")
        write(joinpath(dir, "Manifest.toml"), "manifest_format = \"2.0\"\n\n" *
            entry("A", 1, "deps = [\"Below\"]\n") * entry("B", 2, "deps = [\"OfB\"]\n") *
            entry("Below", 3) * entry("OfB", 4))
        foreach(name -> mkpath(joinpath(dir, name)), ("A", "Below"))
        environment = read_environment(project)
        @test sort([p.id.name for p in values(environment.packages)]) == ["A", "Below"]
        # B's folder is not there.
        @test is_installed(environment)
        described = PackageCompilerRS.describe_project(environment, load_order(environment,
            requested_packages(environment, ["A"])))
        @test described["sources"] == [joinpath(dir, "A"), joinpath(dir, "Below")]
        @test isempty(described["others"])
        # `Pkg.add` would not find it.
        write(project, "[workspace]\nprojects = [\"gone\", \"member\"]\n")
        member = mkpath(joinpath(dir, "member"))
        write(joinpath(member, "Project.toml"), "name = \"Inside\"\n")
        err = @test_throws BuildError requested_packages(read_environment(project), ["Inside"])
        @test occursin("`project=$(repr(member))`", err.value.hint)
    end
end

@testset "near names are offered" begin
    @test edit_distance("Example", "Exmaple") == 1
    @test edit_distance("", "abc") == 3
    @test nearest("Greter", ["Greeter", "Home"]) == ["Greeter"]
    @test isempty(nearest("Xyz", ["Greeter", "Home"]))
end

@testset "Pkg is asked only when something may be missing" begin
    @test is_installed(ENVIRONMENT)
    registered = """
        [[A]]
        git-tree-sha1 = "0123456789012345678901234567890123456789"
        uuid = "5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a"
        version = "1.0.0"
        """
    byside = replace(registered, r"git-tree.*\n" => "path = \"A\"\n")
    stdlib = replace(registered, r"git-tree.*\n|version.*\n" => "")
    deps = "[deps]\nA = \"5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a\"\n"
    mktempdir() do dir
        project = joinpath(dir, "Project.toml")
        function installed(manifest)
            write(project, deps)
            write(joinpath(dir, "Manifest.toml"), manifest)
            return is_installed(read_environment(project))
        end
        pushfirst!(DEPOT_PATH, dir)
        try
            @test !installed(registered)
            slug = first(PackageCompilerRS.slugs(
                Base.UUID("5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a"),
                "0123456789012345678901234567890123456789"))
            folder = mkpath(joinpath(dir, "packages", "A", slug))
            @test installed(registered)
            artifacts = joinpath(folder, "Artifacts.toml")
            write(artifacts, "")
            @test installed(registered)
            write(artifacts, """
                [data]
                git-tree-sha1 = "0123456789012345678901234567890123456789"

                    [[data.download]]
                    url = "https://localhost/data.tar.gz"
                    sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
                """)
            @test !installed(registered)
            # Where a depot has another in its place, for this package or for all.
            there(text) = with_overrides(() -> installed(registered), dir, "$text = $(repr(dir))\n")
            @test there("[5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a]\ndata")
            @test there("0123456789012345678901234567890123456789")
            @test !there("[11111111-aaaa-4aaa-8aaa-000000000001]\ndata")
            write(artifacts, "[")
            @test_throws BuildError installed(registered)
            @test !installed(byside)
            mkpath(joinpath(dir, "A"))
            @test installed(byside)
            @test !installed(stdlib)
            # The project needs what the Manifest does not have.
            @test !installed("")
        finally
            popfirst!(DEPOT_PATH)
        end
    end
end
