# Fresh, stale or unknown: stamps are made from plans, so that no image is built. What the image
# itself does with stamp and guard is in images.jl.

const TREES = Dict(c => repeat(c, 40) for c in 'a':'f')
const GREETER = "11111111-aaaa-4aaa-8aaa-000000000001"

uuid_of(digit) = "22222222-bbbb-4bbb-8bbb-00000000000$digit"

registered(name, digit, version, tree; deps="[]") = """
    [[$name]]
    deps = $deps
    git-tree-sha1 = "$(TREES[tree])"
    uuid = "$(uuid_of(digit))"
    version = "$version"

    """

tracked(name, digit, version; deps="[]", folder=name) = """
    [[$name]]
    deps = $deps
    path = "../packages/$folder"
    uuid = "11111111-aaaa-4aaa-8aaa-00000000000$digit"
    version = "$version"

    """

const PROJECT_TOML = """
    [deps]
    Frames = "$(uuid_of(1))"
    Greeter = "$GREETER"
    Loose = "$(uuid_of(3))"
    Orphan = "$(uuid_of(4))"
    """
const MANIFEST_TOML = string(
    registered("Frames", 1, "1.7.0", 'a'; deps="[\"Needed\"]"),
    tracked("Greeter", 1, "1.2.0"; deps="[\"Helper\", \"Late\", \"Twin\"]"),
    tracked("Helper", 2, "0.3.1"),
    tracked("Late", 5, "0.1.0"),
    registered("Loose", 3, "1.0.0", 'c'),
    registered("Needed", 2, "0.1.0", 'b'),
    registered("Orphan", 4, "1.0.0", 'd'),
    tracked("Twin", 4, "2.0.0"; folder="TwinTwo"),
)

"Writes the stamp that a build of `image` by `plan` would leave, after `change` of its table."
function write_stamp(image, plan; change=identity)
    stamp = PackageCompilerRS.stamp_of(plan, image)
    # In the place of what the engine knows of a real build.
    stamp["content_key"] = TREES['a'] * repeat("0", 24)
    stamp["image_hash"] = PackageCompilerRS.inspect_image(image)["hash"]
    change(stamp)
    write(image * ".json", PackageCompilerRS.write_json(stamp))
    return image
end

"Folders of a project with packages and workloads, and of an image; the first is made anew by `reset`."
struct Place
    root::String
    image::String
end

inside(place, parts...) = joinpath(place.root, "work", parts...)

function reset(place)
    work = inside(place)
    rm(work; force=true, recursive=true)
    mkpath(inside(place, "project"))
    cp(joinpath(FIXTURES, "packages"), inside(place, "packages"))
    write(inside(place, "project", "Project.toml"), PROJECT_TOML)
    write(inside(place, "project", "Manifest.toml"), MANIFEST_TOML)
    write(inside(place, "workload.jl"), "include(\"more.jl\")\n")
    write(inside(place, "more.jl"), "1 + 1\n")
    write(inside(place, "script.jl"), "2\n")
    write(inside(place, "statements.jl"), "precompile(sin, (Float64,))\n")
    mkpath(inside(place, "data"))
    write(inside(place, "data", "table.csv"), "1,2\n")
    return place
end

function with_place(f)
    mktempdir() do root
        root = realpath(root)
        mkpath(joinpath(root, "images"))
        image = joinpath(root, "images", "X.so")
        write(image, "an image")
        f(reset(Place(root, image)))
    end
end

status_in(place) = sysimage_status(place.image; project=inside(place, "project"))

"Replaces text in a file of the project's."
function edit(place, file, change::Pair)
    text = read(inside(place, file), String)
    @assert occursin(change.first, text)
    write(inside(place, file), replace(text, change; count=1))
end
manifest(place, changes...) = foreach(c -> edit(place, "project/Manifest.toml", c), changes)
project(place, change) = edit(place, "project/Project.toml", change)
append(place, file, text) = open(io -> write(io, text), inside(place, file), "a")

const JSON_ENTRY = registered("JSON", 9, "0.21.4", 'e')

# What changes, how, and the answer: the state, with kind and message of a problem that is told of.
const CHANGES_OF_PACKAGES = (
    ("nothing", place -> nothing, :fresh, nothing, ""),
    ("a version",
        place -> manifest(place, "version = \"1.7.0\"" => "version = \"1.7.1\"",
            TREES['a'] => TREES['f']),
        :stale, :package, "Frames 1.7.0 in the image, 1.7.1 in the Manifest"),
    ("a commit, not the version",
        place -> manifest(place, TREES['a'] => TREES['f']),
        :stale, :package, "Frames 1.7.0 in the image is of the tree aaaa"),
    ("a dependency's version",
        place -> manifest(place, "version = \"0.1.0\"\n\n[[Orphan" => "version = \"0.2.0\"\n\n[[Orphan"),
        :stale, :package, "Needed 0.1.0 in the image, 0.2.0 in the Manifest"),
    ("a package needs one more",
        place -> (manifest(place, "[\"Needed\"]" => "[\"JSON\", \"Needed\"]");
            append(place, "project/Manifest.toml", JSON_ENTRY)),
        :stale, :package, "JSON 0.21.4 not in the image"),
    ("a package needs one less",
        place -> manifest(place, "[\"Needed\"]" => "[]"),
        :stale, :package, "Needed 0.1.0 in the image, not among what the project needs"),
    ("a package was removed",
        place -> (project(place, r"Frames.*\n" => "");
            manifest(place, r"\[\[Frames\]\](\n[a-z].*)*" => "")),
        :stale, :package, "Frames 1.7.0 in the image, not among what the project needs"),
    ("a package is only a dependency of others now",
        place -> (project(place, r"Frames.*\n" => "");
            manifest(place, "[\"Helper\"" => "[\"Frames\", \"Helper\"")),
        :stale, :package, "Frames 1.7.0 in the image, no dependency of the project itself any more"),
    ("the source of a package",
        place -> append(place, "packages/Greeter/src/Greeter.jl", "# more\n"),
        :stale, :package, "Greeter 1.2.0: its source in"),
    ("a new file in a dependency",
        place -> write(inside(place, "packages/Helper/src/new.jl"), ""),
        :stale, :package, "Helper 0.3.1: its source in"),
    ("the folder of a package",
        place -> (mv(inside(place, "packages/Helper"), inside(place, "packages/Moved"));
            manifest(place, "../packages/Helper" => "../packages/Moved")),
        :stale, :package, "Helper 0.3.1 in the image from"),
    ("a package's folder is gone",
        place -> rm(inside(place, "packages/Late"); recursive=true),
        :stale, :package, "Late 0.1.0: there is no"),
    ("from path to registry",
        place -> manifest(place, "path = \"../packages/Helper\"" => "git-tree-sha1 = \"$(TREES['f'])\""),
        :stale, :package, "from a registry or repository now"),
    ("from registry to path",
        place -> manifest(place, "git-tree-sha1 = \"$(TREES['a'])\"" => "path = \"../packages/Late\""),
        :stale, :package, "Frames 1.7.0 in the image from a registry or repository, from"),
    ("another package under the same name",
        place -> (project(place, uuid_of(1) => uuid_of(8)); manifest(place, uuid_of(1) => uuid_of(8))),
        :stale, :package, "Frames 1.7.0 in the image, not among what the project needs"),
    ("a package that the image does not have",
        place -> manifest(place, TREES['c'] => TREES['f']), :fresh, nothing, ""),
    ("one more in the project, not asked for",
        place -> (append(place, "project/Project.toml", "JSON = \"$(uuid_of(9))\"\n");
            append(place, "project/Manifest.toml", JSON_ENTRY)), :fresh, nothing, ""),
    ("compat in the project",
        place -> append(place, "project/Project.toml", "[compat]\njulia = \"1\"\n"), :fresh, nothing, ""),
    ("the format of the Manifest",
        place -> (text = read(inside(place, "project/Manifest.toml"), String);
            write(inside(place, "project/Manifest.toml"),
                "manifest_format = \"2.0\"\n" * replace(text, "[[" => "[[deps."))), :fresh, nothing, ""),
    ("the time of a source file",
        place -> touch(inside(place, "packages/Greeter/src/Greeter.jl")), :fresh, nothing, ""),
    ("what editors and git leave in a source",
        place -> (mkpath(inside(place, "packages/Greeter/.git"));
            write(inside(place, "packages/Greeter/src/Greeter.jl~"), "")), :fresh, nothing, ""),
    ("no Manifest", place -> rm(inside(place, "project/Manifest.toml")),
        :unknown, :unknown, "has no Manifest.toml"),
    ("a Manifest that cannot be read", place -> append(place, "project/Manifest.toml", "[["),
        :unknown, :unknown, "Manifest.toml` cannot be read"),
    ("a source that leads outside",
        place -> nothing, :unknown, :unknown, "leads to another folder"),
)

const CHANGES_WITH_CODE = (
    ("nothing", place -> nothing, :fresh, nothing, ""),
    ("a workload", place -> append(place, "workload.jl", "3\n"),
        :stale, :workload, "workload.jl`, or what it includes, has changed"),
    ("a file that a workload includes", place -> append(place, "more.jl", "3\n"),
        :stale, :workload, "workload.jl`, or what it includes, has changed"),
    ("a workload is gone", place -> rm(inside(place, "workload.jl")),
        :stale, :workload, "workload.jl` is gone"),
    ("a file that a workload reads", place -> append(place, "data/table.csv", "3,4\n"),
        :stale, :workload_dep, "data` has changed"),
    ("the script", place -> append(place, "script.jl", "3\n"),
        :stale, :script, "script.jl`, or what it includes, has changed"),
    ("a statement file", place -> append(place, "statements.jl", "precompile(cos, (Float64,))\n"),
        :stale, :statements, "statements.jl` has changed"),
    ("a statement file is gone", place -> rm(inside(place, "statements.jl")),
        :stale, :statements, "statements.jl` is gone"),
    ("one more in the project",
        place -> (append(place, "project/Project.toml", "JSON = \"$(uuid_of(9))\"\n");
            append(place, "project/Manifest.toml", JSON_ENTRY)),
        :stale, :package, "JSON 0.21.4 not in the image"),
    ("one more in the project, not in the Manifest",
        place -> append(place, "project/Project.toml", "JSON = \"$(uuid_of(9))\"\n"),
        :stale, :package, "JSON in the Project.toml, not in the Manifest"),
    ("one more of the project itself, which others need",
        place -> append(place, "project/Project.toml", "Needed = \"$(uuid_of(2))\"\n"),
        :stale, :package, "Needed 0.1.0 in the image as a dependency of others"),
    ("a package that only a workload can load",
        place -> manifest(place, TREES['d'] => TREES['f']),
        :stale, :environment, "Orphan 1.0.0 when the image was built"),
    ("such a package is new",
        place -> (manifest(place, "[[Orphan]]\ndeps = []" => "[[Orphan]]\ndeps = [\"JSON\"]");
            append(place, "project/Manifest.toml", JSON_ENTRY)),
        :stale, :environment, "JSON 0.21.4, which a workload or script may load, is new"),
    ("another project's package in the Manifest of a workspace",
        place -> append(place, "project/Manifest.toml", JSON_ENTRY), :fresh, nothing, ""),
    ("such a package is gone", place -> manifest(place, r"\[\[Orphan\]\](\n[a-z].*)*" => ""),
        :stale, :environment, "is not in the Manifest any more"),
)

function check_answer(status, state, kind, message)
    @test status.state === state
    if kind === nothing
        @test isempty(status.problems)
    else
        @test any(p -> p.kind === kind && occursin(message, p.message), status.problems)
    end
end

@testset "changes of the packages" begin
    with_place() do place
        # Made before anything changes; a link is in the last case only.
        plan = plan_of(["Greeter", "Frames"]; project=inside(place, "project"), sysimage_path=place.image)
        write_stamp(place.image, plan)
        @testset "$what" for (what, change, state, kind, message) in CHANGES_OF_PACKAGES
            reset(place)
            if message == "leads to another folder"
                mkpath(inside(place, "elsewhere"))
                deps = mkpath(inside(place, "packages", "Greeter", "deps"))
                symlink(inside(place, "elsewhere"), joinpath(deps, "link"))
                write_stamp(place.image, plan)
            end
            change(place)
            check_answer(status_in(place), state, kind, message)
        end
    end
end

@testset "changes of what runs" begin
    with_place() do place
        plan = plan_of(; project=inside(place, "project"), sysimage_path=place.image, exclude="Orphan",
            precompile_execution_file=inside(place, "workload.jl"), script=inside(place, "script.jl"),
            precompile_statements_file=inside(place, "statements.jl"),
            workload_deps=inside(place, "data"))
        write_stamp(place.image, plan)
        @testset "$what" for (what, change, state, kind, message) in CHANGES_WITH_CODE
            reset(place)
            change(place)
            check_answer(status_in(place), state, kind, message)
        end
        @testset "preferences" begin
            if isdefined(Base, :get_preferences)
                for (name, kind) in ("Needed" => :preferences, "Orphan" => :environment)
                    reset(place)
                    append(place, "project/Project.toml", "[extras]\nNeeded = \"$(uuid_of(2))\"\n")
                    write(inside(place, "project", "LocalPreferences.toml"), "[$name]\nfast = true\n")
                    check_answer(status_in(place), :stale, kind, "the preferences of ")
                end
            else
                println("skipped: preferences came with Julia 1.6, this is $VERSION")
            end
        end
    end
end

@testset "preferences that sessions see and builds do not" begin
    if isdefined(Base, :get_preferences)
        with_place() do place
            shared = mkpath(joinpath(place.root, "shared"))
            write(joinpath(shared, "Project.toml"), "[extras]\nNeeded = \"$(uuid_of(2))\"\n")
            plan = plan_of(["Frames"]; project=inside(place, "project"), sysimage_path=place.image)
            write_stamp(place.image, plan)
            before = copy(LOAD_PATH)
            try
                push!(LOAD_PATH, shared)
                check_answer(status_in(place), :fresh, nothing, "")
                @test isempty(PackageCompilerRS.notices(plan))
                write(joinpath(shared, "LocalPreferences.toml"), "[Needed]\nfast = true\n")
                check_answer(status_in(place), :unknown, :unknown,
                    "preferences of Needed in `$(joinpath(shared, "Project.toml"))` are seen by sessions")
                noticed = PackageCompilerRS.notices(plan)
                @test length(noticed) == 1 && occursin("Needed", noticed[1])
                preview = PackageCompilerRS.BuildPreview(plan,
                    Dict("sysimage_path" => "", "up_to_date" => false, "not_linked" => nothing, "linker" => "", "log" => "",
                        "commands" => []), noticed)
                @test occursin("warning:  preferences of Needed", sprint(show, MIME"text/plain"(), preview))
                # Where the project has the same, nothing is unseen.
                append(place, "project/Project.toml", "[extras]\nNeeded = \"$(uuid_of(2))\"\n")
                write(inside(place, "project", "LocalPreferences.toml"), "[Needed]\nfast = true\n")
                @test isempty(PackageCompilerRS.notices(plan))
            finally
                copy!(LOAD_PATH, before)
            end
        end
    else
        println("skipped: preferences came with Julia 1.6, this is $VERSION")
    end
end

@testset "left out, the project is that of the stamp" begin
    with_place() do place
        plan = plan_of(["Greeter"]; project=inside(place, "project"), sysimage_path=place.image)
        write_stamp(place.image, plan)
        before, active = copy(LOAD_PATH), Base.ACTIVE_PROJECT[]
        try
            # There is none that is active.
            copy!(LOAD_PATH, ["@stdlib"])
            Base.ACTIVE_PROJECT[] = nothing
            status = sysimage_status(place.image)
            @test status.state === :fresh
            @test status.project == inside(place, "project", "Project.toml")
            @test sysimage_status(joinpath(place.root, "none.so")).state === :unknown
            rm(inside(place, "project"); recursive=true)
            check_answer(sysimage_status(place.image), :unknown, :unknown, "is gone")
        finally
            copy!(LOAD_PATH, before)
            Base.ACTIVE_PROJECT[] = active
        end
    end
end

@testset "packages that were left out stay so" begin
    with_place() do place
        plan = plan_of(; project=inside(place, "project"), sysimage_path=place.image, exclude="Loose")
        write_stamp(place.image, plan)
        check_answer(status_in(place), :fresh, nothing, "")
        project(place, r"Loose.*\n" => "")
        manifest(place, r"\[\[Loose\]\](\n[a-z].*)*" => "")
        check_answer(status_in(place), :fresh, nothing, "")
    end
end

@testset "a project whose own source comes after the image was built" begin
    with_place() do place
        text = read(inside(place, "project", "Project.toml"), String)
        write(inside(place, "project", "Project.toml"), """
            name = "Unborn"
            uuid = "$(uuid_of(8))"
            version = "0.1.0"

            """ * text)
        write_stamp(place.image, plan_of(; project=inside(place, "project"), sysimage_path=place.image))
        check_answer(status_in(place), :fresh, nothing, "")
        mkpath(inside(place, "project", "src"))
        write(inside(place, "project", "src", "Unborn.jl"), "module Unborn end\n")
        check_answer(status_in(place), :stale, :package, "Unborn 0.1.0 not in the image")
        # Not asked for, it may come.
        write_stamp(place.image, plan_of(; project=inside(place, "project"), sysimage_path=place.image,
            exclude="Unborn"))
        check_answer(status_in(place), :fresh, nothing, "")
    end
end

@testset "what lies in the depots" begin
    with_place() do place
        depot = joinpath(place.root, "depot")
        slug = Base.version_slug(Base.UUID(uuid_of(1)), Base.SHA1(TREES['a']))
        frames = joinpath(depot, "packages", "Frames", slug)
        mkpath(joinpath(frames, "deps"))
        withenv("JULIA_DEPOT_PATH" => join([depot; DEPOT_PATH], Sys.iswindows() ? ';' : ':')) do
            write_stamp(place.image,
                plan_of(["Frames"]; project=inside(place, "project"), sysimage_path=place.image))
            @test status_in(place).state === :fresh
            write(joinpath(frames, "deps", "deps.jl"), "const found = 1\n")
            check_answer(status_in(place), :stale, :package, "or its build has made something else")
            rm(joinpath(depot, "packages"); recursive=true)
            check_answer(status_in(place), :stale, :package, "it is installed elsewhere now")
            mkpath(joinpath(frames, "deps"))
            @test status_in(place).state === :fresh
            mkpath(joinpath(depot, "artifacts"))
            write(joinpath(depot, "artifacts", "Overrides.toml"), "")
            check_answer(status_in(place), :stale, :environment, "Overrides.toml` has changed")
        end
    end
end

@testset "artifacts that are gone" begin
    with_place() do place
        hash = repeat("0123456789", 4)
        write(inside(place, "packages", "Helper", "Artifacts.toml"), """
            [data]
            git-tree-sha1 = "$hash"

                [[data.download]]
                url = "https://localhost/data.tar.gz"
                sha256 = "$(repeat("0", 64))"
            """)
        artifact = mkpath(joinpath(place.root, "depot", "artifacts", hash))
        push!(DEPOT_PATH, joinpath(place.root, "depot"))
        try
            write_stamp(place.image, plan_of(["Greeter"]; project=inside(place, "project"), sysimage_path=place.image))
            check_answer(status_in(place), :fresh, nothing, "")
            rm(artifact)
            status = status_in(place)
            check_answer(status, :stale, :artifacts, "Helper 0.3.1 needs artifacts that are not installed")
            # A new image would not bring them back.
            @test !occursin("Build it again", sprint(show, MIME"text/plain"(), status))
        finally
            pop!(DEPOT_PATH)
        end
    end
end

@testset "variables that are named" begin
    with_place() do place
        withenv("PCRS_TEST_FLAG" => "1") do
            write_stamp(place.image, plan_of(["Greeter"]; project=inside(place, "project"),
                sysimage_path=place.image, environment_inputs=["PCRS_TEST_FLAG"]))
            check_answer(status_in(place), :fresh, nothing, "")
        end
        for value in ("2", "", nothing)
            withenv("PCRS_TEST_FLAG" => value) do
                check_answer(status_in(place), :stale, :variable, "`PCRS_TEST_FLAG`")
            end
        end
    end
end

@testset "a workload that includes what only running it can tell" begin
    with_place() do place
        write(inside(place, "workload.jl"), "include(ENV[\"WHICH\"])\n")
        common = (project=inside(place, "project"), sysimage_path=place.image,
            precompile_execution_file=inside(place, "workload.jl"))
        write_stamp(place.image, plan_of(["Greeter"]; common...))
        check_answer(status_in(place), :unknown, :unknown, "unless it is named in `workload_deps`")
        write_stamp(place.image, plan_of(["Greeter"]; workload_deps=inside(place, "more.jl"), common...))
        check_answer(status_in(place), :fresh, nothing, "")
    end
end

part(stamp, kind) = only_of(p -> p["kind"] == kind, stamp["parts"])
only_of(f, items) = first(filter(f, items))

# Where the system lists what its CPU can do.
const CPU_IS_KNOWN = PackageCompilerRS.cpu_flags() !== nothing

@testset "another Julia or CPU: $what" for (what, change, state, kind, message) in (
    ("version", s -> s["plan"]["julia"]["version"] = "1.4.2", :stale, :julia, "built by Julia 1.4.2"),
    ("architecture", s -> s["plan"]["julia"]["arch"] = "sparc", :stale, :julia, "for sparc; this is"),
    ("library", s -> part(s, "julia")["hash"] = "0", :stale, :julia, "another build of Julia $VERSION"),
    ("a variable that Julia read", s -> push!(s["parts"], Dict("kind" => "julia",
        "name" => "JULIA_LLVM_ARGS", "hash" => "x", "gaps" => [])), :stale, :julia, "JULIA_LLVM_ARGS"),
    ("CPU", s -> s["plan"]["julia"]["cpu"] = "z80", :stale, :cpu, "built on a z80"),
    ("CPU, with a target for several", s -> (s["plan"]["julia"]["cpu"] = "z80";
        s["cpu_target"] = "generic;haswell,clone_all"), :fresh, nothing, ""),
    ("CPU, with the target of Julia's image", s -> (s["plan"]["julia"]["cpu"] = "z80";
        s["cpu_target"] = "sysimage"), :fresh, nothing, ""),
    ("what this CPU lacks", s -> s["cpus"] = ["no_cpu_has_this", "nor_this"],
        (CPU_IS_KNOWN ? (:stale, :cpu, "without nor_this") : (:fresh, nothing, ""))...),
    ("what this CPU lacks of one target", s -> s["cpus"] = ["no_cpu_has_this", ""], :fresh, nothing, ""),
)
    with_place() do place
        plan = plan_of(["Greeter"]; project=inside(place, "project"), sysimage_path=place.image)
        write_stamp(place.image, plan; change=change)
        check_answer(status_in(place), state, kind, message)
    end
end

@testset "the image below" begin
    with_place() do place
        below = joinpath(dirname(place.image), "Below.so")
        write(below, "another image")
        build(image; options...) = write_stamp(image, plan_of(["Greeter"];
            project=inside(place, "project"), sysimage_path=image, options...))

        build(place.image; base_sysimage=below)
        check_answer(status_in(place), :unknown, :unknown, "which has no stamp")

        build(below)
        build(place.image; base_sysimage=below)
        check_answer(status_in(place), :fresh, nothing, "")
        write(below, "a newer one")
        check_answer(status_in(place), :stale, :base, "has changed")
        rm(below)
        check_answer(status_in(place), :unknown, :unknown, "cannot be read")

        # The image below keeps its version, whatever the Manifest said when the upper was built.
        write(below, "another image")
        build(below)
        manifest(place, "version = \"0.3.1\"" => "version = \"0.4.0\"")
        build(place.image; base_sysimage=below)
        check_answer(status_in(place), :stale, :package,
            "Helper 0.3.1 in the image, from the one below, 0.4.0 in the Manifest")

        # Built upon itself: the one below is gone, and what it held is known.
        reset(place)
        rm(place.image * ".json")
        build(place.image)
        stamp = write_stamp(place.image, plan_of(["Greeter"]; project=inside(place, "project"),
            sysimage_path=place.image, base_sysimage=place.image))
        write(place.image, "the newer image")
        table = PackageCompilerRS.parse_json(read(stamp * ".json", String))
        table["image_hash"] = PackageCompilerRS.inspect_image(place.image)["hash"]
        write(stamp * ".json", PackageCompilerRS.write_json(table))
        check_answer(status_in(place), :fresh, nothing, "")
    end
end

@testset "images without a stamp that speaks for them" begin
    with_place() do place
        plan = plan_of(["Greeter"]; project=inside(place, "project"), sysimage_path=place.image)
        write_stamp(place.image, plan; change=s -> s["content_key"] = nothing)
        check_answer(status_in(place), :unknown, :unknown, "what is in it is not known")
        rm(place.image * ".json")
        check_answer(status_in(place), :unknown, :unknown, "it is not a sysimage")
        rm(place.image)
        check_answer(status_in(place), :unknown, :unknown, "there is no such file")

        # A sysimage of this Julia, in another place than Julia's own.
        cp(PackageCompilerRS.default_sysimage(), place.image; follow_symlinks=true)
        check_answer(status_in(place), :unknown, :unknown, "it has no stamp")
        write_stamp(place.image, plan)
        @test status_in(place).state === :fresh
        open(io -> write(io, "x"), place.image, "a")
        check_answer(status_in(place), :unknown, :unknown, "is not the stamp of this image")
        write(place.image * ".json", "{")
        check_answer(status_in(place), :unknown, :unknown, "is not the stamp of this image")
        write_stamp(place.image, plan; change=s -> s["schema"] = 99)
        check_answer(status_in(place), :unknown, :unknown, "is not the stamp of this image")
    end
    default = PackageCompilerRS.default_sysimage()
    check_answer(sysimage_status(default; project=PROJECT), :unknown, :unknown, "Julia's own image")
    check_answer(PackageCompilerRS.SysimageStatus("X.so", "P", PackageCompilerRS.compare(
        Dict{String,Any}("schema" => 99), "X.so", joinpath(PROJECT, "Project.toml"))),
        :unknown, :unknown, "another version of PackageCompilerRS")
end

@testset "an image that was stripped of its stamp" begin
    with_place() do place
        write_stamp(place.image, plan_of(["Frames"]; project=inside(place, "project"), sysimage_path=place.image))
        stamp_of(ours, held) = PackageCompilerRS.stamp_of_image(place.image, ours, held)
        @test stamp_of(true, nothing)["plan"]["sysimage_path"] == place.image
        @test stamp_of(true, Dict("plan" => 1)) == Dict("plan" => 1)
        # One of another tool.
        @test stamp_of(false, nothing) === nothing
        rm(place.image * ".json")
        @test stamp_of(true, nothing) === nothing
    end
end

@testset "the image of the session" begin
    if PackageCompilerRS.stamp_of_session() === nothing
        @test sysimage_status(; project=PROJECT).state === :unknown
    end
    image = PackageCompilerRS.running_sysimage()
    ids = PackageCompilerRS.packages_in_image(image)
    names = [id.name for id in ids]
    @test "FileWatching" in names || VERSION >= v"1.11"
    @test !("PackageCompilerRS" in names)
    problems = PackageCompilerRS.compare_loaded(image, joinpath(PROJECT, "Project.toml"))
    @test [p.kind for p in problems] == [:unknown]

    uuid = Base.UUID(uuid_of(1))
    id = Base.PkgId(uuid, "Frames")
    tree = TREES['a']
    package(; version="1.7.0", path=nothing, tree_hash=tree) =
        PackageCompilerRS.EnvironmentPackage(id, version, path, tree_hash, Base.UUID[], Dict())
    origin(folder; version=nothing) =
        (version=version, path=joinpath(folder, "src", "Frames.jl"))
    check(origin, package) = PackageCompilerRS.origin_problem(id, origin, package)
    slug = joinpath("depot", "packages", "Frames", Base.version_slug(uuid, Base.SHA1(tree)))
    @test check(origin(slug; version=v"1.7.0"), package()) === nothing
    @test occursin("of the tree bbbb", check(origin(slug), package(; tree_hash=TREES['b'])))
    @test occursin("from `dev/Frames` now", check(origin(slug), package(; path="dev/Frames", tree_hash=nothing)))
    @test check(origin("dev/Frames"), package(; path="dev/Frames", tree_hash=nothing)) === nothing
    @test check(origin(slug; version=v"1.6.0"), package()) ==
          "Frames 1.6.0 in the image, 1.7.0 in the Manifest"
    known = PackageCompilerRS.origin_of(Base.PkgId(PackageCompilerRS))
    @test known.path == joinpath(dirname(@__DIR__), "src", "PackageCompilerRS.jl")
end

@testset "values and what is shown" begin
    with_place() do place
        plan = plan_of(["Frames"]; project=inside(place, "project"), sysimage_path=place.image)
        write_stamp(place.image, plan)
        fresh = status_in(place)
        @test (fresh.path, fresh.project) == (place.image, inside(place, "project", "Project.toml"))
        @test repr(fresh) == "SysimageStatus(:fresh, $(repr(place.image)), 0 problems)"
        manifest(place, "version = \"1.7.0\"" => "version = \"1.7.1\"")
        stale = status_in(place)
        @test stale.problems == [(kind=:package, name="Frames",
            message="Frames 1.7.0 in the image, 1.7.1 in the Manifest")]
        @test sprint(show, MIME"text/plain"(), stale) == """
            Sysimage $(place.image)
            project  $(inside(place, "project", "Project.toml"))
            state    stale
              package  Frames 1.7.0 in the image, 1.7.1 in the Manifest
            Build it again with `create_sysimage`"""
    end
    @test_throws StatusError sysimage_status("")
    @test_throws StatusError sysimage_status("a\0b")
    err = @test_throws StatusError sysimage_status("X.so"; project="/nowhere")
    @test startswith(sprint(showerror, err.value), "StatusError: `project` does not exist")
end

module GuardInTests
include(joinpath(@__DIR__, "..", "rust", "engine", "src", "staging", "guard.jl"))
end

@testset "the guard" begin
    guard = GuardInTests.PackageCompilerRSGuard
    frames = guard.Held(uuid_of(1), "Frames", "1.7.0", TREES['a'], false, 0x00000000)
    helper = guard.Held("11111111-aaaa-4aaa-8aaa-000000000002", "Helper", "0.3.1", "", true, 0x00000000)
    dates = guard.Held(uuid_of(7), "Dates", "1.9.0", "", false, 0x00000000)
    found(held, text) = guard.disagreements(held, text, "/nowhere")
    both = [frames, helper]
    @test isempty(found(both, MANIFEST_TOML))
    @test isempty(found([frames, helper], ""))
    newer = replace(MANIFEST_TOML, "\"1.7.0\"" => "\"1.7.1\"")
    answer = ["Frames 1.7.0 in the image, 1.7.1 in the Manifest"]
    @testset "however the Manifest is written" for text in (
        newer,
        String(chomp(newer)),
        replace(newer, "\n" => "\r\n"),
        replace(newer, "[[" => "[[deps."),
        replace(newer, " = " => "="),
        replace(newer, '"' => '\''),
        replace(newer, "\n" => "\n\t "),
        replace(newer, "[[Greeter]]" => "[Frames.deps]\nversion = \"7\"\nuuid = \"x\"\n[[Greeter]]"),
    )
        @test found(both, text) == answer
    end
    @test found(both, replace(MANIFEST_TOML, TREES['a'] => TREES['f'])) ==
          ["Frames 1.7.0 in the image is of another commit than in the Manifest"]
    @test found(both, replace(MANIFEST_TOML, "\"0.3.1\"" => "\"0.4.0\"")) ==
          ["Helper 0.3.1 in the image, 0.4.0 in the Manifest"]
    @test found([frames], replace(MANIFEST_TOML, "git-tree-sha1 = \"$(TREES['a'])\"" => "path = \"x\"")) ==
          ["Frames from a registry or repository in the image, tracked by path in the Manifest"]
    of_julia = "[[Dates]]\nuuid = \"$(uuid_of(7))\"\nversion = \"1.11.0\"\n"
    @test isempty(found([dates], of_julia))
    @test length(found([dates], of_julia * "git-tree-sha1 = \"$(TREES['a'])\"\n")) == 1

    @testset "a warning names three packages" begin
        held = [guard.Held(uuid_of(i), "P$i", "1.0.0", TREES['a'], false, 0x00000000) for i in 1:5]
        text = join(registered("P$i", i, "2.0.0", 'b') for i in 1:5)
        shown = guard.warning(held, "", "", text, "M.toml", "X.so")
        @test count(i -> occursin("P$i 1.0.0", shown), 1:5) == 3
        @test occursin("and 2 more", shown) && occursin("PCRS_GUARD=0", shown)
        @test occursin("M.toml", shown) && occursin("X.so", shown)
        @test guard.warning(held[1:1], "", "", "", "M.toml", "X.so") === nothing
    end

    @testset "the source of a package tracked by path" begin
        mktempdir() do dir
            folder = joinpath(dir, "P")
            file = joinpath(folder, "src", "inner", "part.jl")
            mkpath(dirname(file))
            write(file, "f() = 1\n")
            write(joinpath(folder, "README.md"), "a package")
            symlink(folder, joinpath(folder, "src", "round"))
            held = guard.Held(uuid_of(1), "P", "1.0.0", "", true, guard.source_of(folder))
            uuid = "uuid = \"$(uuid_of(1))\"\n"
            entry(path) = string("[[P]]\npath = ", repr(path), '\n', uuid, "version = \"1.0.0\"\n")
            said(path) = guard.disagreements([held], entry(path), dir)
            own(text) = guard.warning([held], text, folder, "", joinpath(folder, "Project.toml"), "X.so")
            write(joinpath(folder, "README.md"), "a good package")
            touch(file)
            @test isempty(said(folder)) && isempty(said("P"))
            @test own(uuid) === nothing
            write(file, "f() = 2\n")
            @test occursin("P in the image is of another source than there is in `$folder` now", only(said(folder)))
            @test length(said("P")) == 1
            # The project itself is the package.
            @test occursin("another source", own("name = \"P\"\n" * uuid))
            @test occursin("project:  $(joinpath(folder, "Project.toml"))", own(uuid))
            @test own("[deps]\n" * uuid) === nothing
            write(file, "f() = 1\n")
            # A member of a workspace, whose root is a package too.
            mkpath(joinpath(dir, "src"))
            write(joinpath(dir, "src", "Root.jl"), "module Root end")
            @test guard.warning([held], uuid, folder, "", joinpath(dir, "Manifest.toml"), "X.so") === nothing
            @test isempty(said("P"))
            write(joinpath(folder, "src", "more.jl"), "")
            @test length(said("P")) == 1
            # A Manifest that came from another machine.
            @test isempty(said("/nowhere/P"))
        end
    end

    @testset "where it speaks" begin
        with_place() do place
            manifest(place, "version = \"1.7.0\"" => "version = \"1.7.1\"")
            file = joinpath(dirname(@__DIR__), "rust", "engine", "src", "staging", "guard.jl")
            code = """
                include($(repr(file)))
                push!(PackageCompilerRSGuard.HELD, PackageCompilerRSGuard.Held($(repr(uuid_of(1))),
                    "Frames", "1.7.0", $(repr(TREES['a'])), false, 0x00000000))
                PackageCompilerRSGuard.compile()
                PackageCompilerRSGuard.__init__()
                """
            julia = joinpath(Sys.BINDIR, Base.julia_exename())
            function told(project; variables...)
                errors = joinpath(place.root, "errors")
                command = `$julia --startup-file=no --project=$project -e $code`
                environment = ["JULIA_LOAD_PATH" => nothing, "PCRS_GUARD" => nothing]
                with_variables(environment..., (string(k) => v for (k, v) in variables)...) do
                    run(pipeline(command; stderr=errors))
                end
                return read(errors, String)
            end
            project = inside(place, "project")
            @test occursin("Frames 1.7.0 in the image, 1.7.1 in the Manifest", told(project))
            @test occursin(joinpath(project, "Manifest.toml"), told(project))
            @test told(project; PCRS_GUARD="0") == ""
            @test told(mkpath(inside(place, "empty"))) == ""
            @test told(inside(place, "nowhere")) == ""
            write(inside(place, "project", "Manifest.toml"), UInt8[0xff, 0x0a, 0x5b, 0x5b])
            @test told(project) == ""
        end
    end
end
