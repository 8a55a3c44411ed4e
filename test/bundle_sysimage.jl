# A sysimage taken along: started where nothing is left of the place that it was made in.

module BundledSysimage

using PackageCompilerRS
using PackageCompilerRS: Libdl, bundle_artifacts, bundled_script, copy_project, installed_artifacts,
    left_behind, preferences_by_name, read_environment
using Test
using ..Main: HASH, LINKABLE, downloadable_nowhere, run_app, while_something_comes, with_herald, with_overrides,
    with_variables

"What `f` throws, as users read it."
refusal(f) = try f(); "nothing was thrown" catch err; err isa BuildError || rethrow(); sprint(showerror, err) end

const JULIA = joinpath(Sys.BINDIR, Base.julia_exename())

"A command without anything of this session's environment but `variables`."
bare(command, variables...) = setenv(command, "PATH" => "/usr/bin:/bin", variables...)

"Whether another user can run this Julia, and this one become that."
const HAS_NOBODY = ccall(:getuid, Cuint, ()) == 0 && Sys.which("setpriv") !== nothing &&
    run_app(`setpriv --reuid=65534 --regid=65534 --clear-groups $JULIA --version`)[1] == 0

if !Sys.iswindows()
    @testset "the launcher, and which Julia it takes" begin
        mktempdir() do root
            place = mkpath(joinpath(realpath(root), "it's \"here\" \$HOME now"))
            start = joinpath(place, "start")
            write(start, bundled_script("a b.so"))
            chmod(start, 0o755)
            # A Julia that tells what it was started with.
            function fake(folder, version, commit)
                bin = mkpath(joinpath(place, folder, "bin"))
                write(joinpath(bin, "julia"), """
                    #!/bin/sh
                    [ "\$1" = --version ] && { echo "julia version $version"; exit; }
                    printf '%s\\n' "$folder" "\$JULIA_DEPOT_PATH" "\$@"
                    """)
                chmod(joinpath(bin, "julia"), 0o755)
                base = mkpath(joinpath(place, folder, "share", "julia", "base"))
                commit === nothing || write(joinpath(base, "version_git.jl"), "\n  commit = \"$commit\"\n")
                return joinpath(bin, "julia")
            end
            commit = Base.GIT_VERSION_INFO.commit
            known = occursin("commit='$commit'", read(start, String)) && !isempty(commit)
            right = fake("right", VERSION, commit)
            told(depots) = [depots, "--sysimage=$place/a b.so", "--project=$place/project", "-e", "a b", ""]
            run_start(variables...) = run_app(bare(`$start -e "a b" ""`, variables...))
            lines(text) = String.(split(chomp(text), '\n'))

            code, out, err = run_start("PCRS_JULIA" => right)
            @test (code, err) == (0, "")
            @test lines(out) == ["right"; told(":$place/depot")]
            # The user's depots stay before those of the folder, empty entries too.
            for (given, depots) in ("" => "", "/x" => "/x", "/x:" => "/x:", ":/x" => ":/x")
                _, out, _ = run_start("PCRS_JULIA" => right, "JULIA_DEPOT_PATH" => given)
                @test lines(out)[2] == "$depots:$place/depot"
            end
            # On PATH, through a link, and not this script itself, whatever it is called there.
            links = mkdir(joinpath(place, "links"))
            symlink(start, joinpath(links, "julia"))
            code, out, _ = run_app(setenv(`$(joinpath(links, "julia")) -e "a b" ""`,
                "PATH" => "$links:$(dirname(right)):/usr/bin:/bin"))
            @test (code, lines(out)) == (0, ["right"; told(":$place/depot")])

            # Without sources on disk Julia is asked.
            @test run_start("PCRS_JULIA" => fake("bare", VERSION, nothing))[1] == 0
            for (julia, cause) in (fake("old", "1.0.5", "0000") => "is julia version 1.0.5",
                    fake("none", "1.0.5", nothing) => "is julia version 1.0.5",
                    joinpath(place, "nowhere") => "which is no executable")
                code, out, err = run_start("PCRS_JULIA" => julia)
                @test (code, out) == (1, "")
                @test startswith(err, "start: it needs Julia $VERSION\n  cause: ")
                @test occursin(cause, err)
                @test occursin("next:  set PCRS_JULIA to the path of a Julia $VERSION", err)
            end
            if known
                code, _, err = run_start("PCRS_JULIA" => fake("other", VERSION, "0000"))
                @test code == 1
                @test occursin("is another build of Julia $VERSION than made the sysimage", err)
            end
            @test occursin("there is no `julia` on PATH",
                run_app(setenv(`$start`, "PATH" => mkdir(joinpath(place, "empty")) * ":/usr/bin:/bin"))[3]) ||
                isfile("/usr/bin/julia") || isfile("/bin/julia")
            colon = mkdir(joinpath(place, "a:b"))
            cp(start, joinpath(colon, "start"))
            code, _, err = run_app(bare(`$(joinpath(colon, "start"))`, "PCRS_JULIA" => right))
            @test code == 1
            @test occursin("rename the folder", err)
        end
    end
end

@testset "what is refused" begin
    if VERSION < v"1.6"
        @test occursin("with Julia $VERSION", refusal(() -> bundle_sysimage("x.so", "x")))
    elseif !Sys.iswindows()
        mktempdir() do root
            said(image, folder; kwargs...) = refusal(() -> bundle_sysimage(image, folder; kwargs...))
            image = joinpath(root, "x.so")
            @test occursin("there is no sysimage", said(image, joinpath(root, "out")))
            write(image, "no image")
            @test occursin("it has no stamp", said(image, joinpath(root, "out")))
            write(joinpath(root, "start"), "an image")
            @test occursin("rename it", said(joinpath(root, "start"), joinpath(root, "out")))
            @test sort(readdir(root)) == ["start", "x.so"]
        end
    end
end

VERSION >= v"1.6" && @testset "an artifact that a depot replaces for one package" begin
    mktempdir() do root
        depot, package, instead = mkpath.(joinpath.(root, ("depot", "Needy", "instead")))
        write(joinpath(instead, "text"), "from elsewhere")
        write(joinpath(package, "Artifacts.toml"), "[data]\ngit-tree-sha1 = \"$HASH\"\n")
        # What the depot has under that name is another.
        write(joinpath(mkpath(joinpath(depot, "artifacts", HASH)), "text"), "from the depot")
        id = Base.PkgId(Base.UUID("11111111-aaaa-4aaa-8aaa-000000000001"), "Needy")
        order = [(id=id, path=package, tree_hash=nothing)]
        text_in(place) = read(joinpath(place, "artifacts", HASH, "text"), String)
        needed() = first.(Base.invokelatest(installed_artifacts, id.uuid, package, joinpath(package, "Artifacts.toml")))
        with_overrides(depot, "") do
            @test first(bundle_artifacts(joinpath(root, "plain"), order; include_lazy=false)) == 1
            @test needed() == ["data"]
        end
        with_overrides(depot, "[$(id.uuid)]\ndata = $(repr(instead))\n") do
            @test first(bundle_artifacts(joinpath(root, "replaced"), order; include_lazy=false)) == 1
            # A launcher would look for it in depots.
            @test isempty(needed())
        end
        @test text_in(joinpath(root, "plain")) == "from the depot"
        @test text_in(joinpath(root, "replaced")) == "from elsewhere"
    end
end

@testset "libraries of a JLL under development are told of" begin
    mktempdir() do root
        package(name) = (id=Base.PkgId(Base.UUID("11111111-aaaa-4aaa-8aaa-000000000001"), name),
            path=mkpath(joinpath(root, name)), tree_hash=nothing)
        mkpath(joinpath(root, "Any", "override"))
        override = mkpath(joinpath(root, "Dev_jll", "override"))
        told = only(left_behind(root, package.(["Any", "Plain_jll", "Dev_jll"]); include_lazy=true))
        @test occursin("the libraries of Dev_jll", told) && occursin("`$override`", told)
    end
end

VERSION >= v"1.6" && Sys.isunix() && @testset "lazy artifacts are installed where they are asked for" begin
    mktempdir() do root
        depot, package = mkpath.(joinpath.(root, ("depot", "Lazy")))
        artifacts, archive = PackageCompilerRS.pkg(:Artifacts), joinpath(root, "late.tar.gz")
        order = [(id=Base.PkgId(Base.UUID("11111111-aaaa-4aaa-8aaa-000000000001"), "Lazy"), path=package,
            tree_hash=nothing)]
        function bundled(include_lazy)
            to = mktempdir(root)
            number, _ = bundle_artifacts(to, order; include_lazy=include_lazy)
            @test isempty(left_behind(to, order; include_lazy=include_lazy))
            return number == 0 ? "" : read(joinpath(to, "artifacts", only(readdir(joinpath(to, "artifacts"))), "text"), String)
        end
        pushfirst!(DEPOT_PATH, depot)
        try
            hash = Base.invokelatest(artifacts.create_artifact, folder -> write(joinpath(folder, "text"), "late"))
            sha = Base.invokelatest(artifacts.archive_artifact, hash, archive)
            Base.invokelatest(artifacts.remove_artifact, hash)
            write(joinpath(package, "Artifacts.toml"), "[data]\ngit-tree-sha1 = \"$hash\"\nlazy = true\n",
                "[[data.download]]\nurl = \"file://$archive\"\nsha256 = \"$sha\"\n")
            with_variables("JULIA_PKG_SERVER" => "") do
                @test bundled(false) == bundled(:installed) == ""
                @test bundled(true) == bundled(:installed) == "late"
                @test bundled(false) == ""
            end
        finally
            popfirst!(DEPOT_PATH)
        end
    end
end

VERSION >= v"1.7" && @testset "artifacts that a script chooses" begin
    mktempdir() do root
        depot, package = mkpath.(joinpath.(root, ("depot", "Choosy")))
        chosen, here, elsewhere, any_place = string.(collect("abcd")) .^ 40
        entry(name, hash, os) = """
            [[$name]]
            git-tree-sha1 = "$hash"
            lazy = true
            arch = "$(Sys.ARCH)"
            os = "$os"
            """
        write(joinpath(package, "Artifacts.toml"), entry("chosen", chosen, "linux"), entry("late", here, "linux"),
            entry("late", elsewhere, "windows"), "[always]\ngit-tree-sha1 = \"$any_place\"\nlazy = true\n")
        write(joinpath(mkpath(joinpath(package, ".pkg")), "select_artifacts.jl"),
            "print(\"[chosen]\\ngit-tree-sha1 = \\\"$chosen\\\"\\nlazy = true\\n\")")
        place(hash) = mkpath(joinpath(depot, "artifacts", hash))
        foreach(place, (chosen, elsewhere))
        order = [(id=Base.PkgId(Base.UUID("11111111-aaaa-4aaa-8aaa-000000000001"), "Choosy"), path=package,
            tree_hash=nothing)]
        function bundled(include_lazy)
            to = mktempdir(root)
            bundle_artifacts(to, order; include_lazy=include_lazy)
            return readdir(joinpath(to, "artifacts")), left_behind(to, order; include_lazy=include_lazy)
        end
        push!(DEPOT_PATH, depot)
        try
            @test bundled(false) == bundled(:installed) == ([chosen], [])
            hashes, told = bundled(true)
            @test hashes == [chosen] && length(told) == 2
            @test occursin("`always` of Choosy is not taken along", told[1]) && occursin("`late` of Choosy", told[2])
            foreach(place, (here, any_place))
            @test bundled(false) == ([chosen], [])
            @test bundled(:installed) == bundled(true) == ([chosen, here, any_place], [])
        finally
            pop!(DEPOT_PATH)
        end
    end
end

VERSION >= v"1.6" && @testset "the project's preferences come along, also those of the projects above it" begin
    mktempdir() do root
        uuid(digit) = "11111111-aaaa-4aaa-8aaa-00000000000$digit"
        member = mkpath(joinpath(root, "member"))
        # Nothing reads the projects above before Julia 1.12.
        in_workspace = VERSION >= v"1.12-"
        write(joinpath(root, "Project.toml"), "[workspace]\nprojects = [\"member\"]\n",
            "[extras]\nBelow = \"$(uuid(2))\"\n[preferences.Direct]\na = 1\nb = 1\n[deps]\nDirect = \"$(uuid(1))\"\n")
        write(joinpath(root, "LocalPreferences.toml"), "[Below]\nsize = 3\n")
        write(joinpath(member, "Project.toml"), "[deps]\nDirect = \"$(uuid(1))\"\n[preferences.Direct]\nc = 1\n",
            "[extras]\nOther = \"$(uuid(3))\"\n")
        write(joinpath(member, "JuliaLocalPreferences.toml"), "[Direct]\nb = 2\n__clear__ = [\"c\"]\n")
        entry(name, digit, rest) = "[[deps.$name]]\nuuid = \"$(uuid(digit))\"\nversion = \"1.0.0\"\n$rest"
        write(joinpath(in_workspace ? root : member, "Manifest.toml"), "manifest_format = \"2.0\"\n",
            entry("Below", 2, "path = \"Below\"\n"), entry("Direct", 1, "path = \"Direct\"\ndeps = [\"Below\"]\n"))
        there = preferences_by_name(read_environment(joinpath(member, "Project.toml")))
        @test (there["Direct"]["b"], haskey(there["Direct"], "c")) == (2, false)
        @test get(there["Direct"], "a", nothing) === (in_workspace ? 1 : nothing)
        @test haskey(there, "Below") == in_workspace
        copied = joinpath(mkpath(joinpath(root, "bundle")), "Project.toml")
        copy_project(joinpath(member, "Project.toml"), dirname(copied))
        @test preferences_by_name(read_environment(copied)) == there
        @test haskey(PackageCompilerRS.read_toml(copied)["extras"], "Other")
        @test sort(readdir(dirname(copied))) == ["LocalPreferences.toml", "Manifest.toml", "Project.toml"]
    end
end

if LINKABLE
    @testset "a folder in another place" begin
        with_herald() do fixtures, package
            image = joinpath(fixtures, "Herald." * Libdl.dlext)
            create_sysimage("Herald"; sysimage_path=image, project=package, cpu_target="native", quiet=true)
            made = joinpath(fixtures, "made", "herald")
            bundle = bundle_sysimage(image, made)
            @test (bundle.folder, bundle.launcher, bundle.artifacts) == (made, joinpath(made, "start"), 1)
            @test bundle.sysimage == joinpath(made, "Herald." * Libdl.dlext)
            @test bundle.bytes > filesize(image)
            @test any(text -> occursin("cpu_target=\"native\"", text), bundle.warnings)
            @test all(row -> row.times > 0, bundle.paths) && "Herald" in [row.package for row in bundle.paths]
            @test occursin(r"names:   the folders of .*Herald \d+ time", sprint(show, MIME("text/plain"), bundle))
            names = sort(["start", "sysimage.json", "project", "depot", basename(image), basename(image) * ".json"])
            @test sort(readdir(made)) == names
            @test readdir(dirname(made)) == ["herald"]
            @test "LocalPreferences.toml" in readdir(joinpath(made, "project"))

            @testset "what is there stays, but for `force`" begin
                said(; kwargs...) = refusal(() -> bundle_sysimage(image, made; kwargs...))
                @test occursin("use `force=true` to replace it", said())
                @test bundle_sysimage(image, made; force=true).artifacts == 1
                @test sort(readdir(made)) == names
                other = mkdir(joinpath(fixtures, "other"))
                write(joinpath(other, "mine"), "")
                @test occursin("is no bundled sysimage, and is not replaced",
                    refusal(() -> bundle_sysimage(image, other; force=true)))
                # Unpacked where other things are.
                write(joinpath(made, "mine"), "")
                @test occursin("it holds `mine`", refusal(() -> bundle_sysimage(image, made; force=true)))
                rm(joinpath(made, "mine"))
                @test occursin("holds the project itself",
                    refusal(() -> bundle_sysimage(image, fixtures; force=true)))
                come = joinpath(mkdir(joinpath(fixtures, "come")), "herald")
                @test occursin("in stage publish: the folder `$come` exists",
                    while_something_comes(() -> refusal(() -> bundle_sysimage(image, come)), come))
                @test readdir(come) == ["mine"]
                @test readdir(dirname(come)) == ["herald"]
                artifact, table = joinpath(fixtures, "depot", "artifacts"), joinpath(package, "Artifacts.toml")
                second, text = joinpath(fixtures, "made", "second"), read(table, String)
                mv(artifact, artifact * " away")
                # One that nobody could download.
                without = bundle_sysimage(image, second)
                @test without.artifacts == 0
                @test any(text -> occursin("the artifact `greeting` of Herald is not in the folder", text), without.warnings)
                rm(second; recursive=true)
                # One that cannot be had: nothing appears.
                write(table, downloadable_nowhere())
                @test occursin("artifacts of Herald cannot be bundled", refusal(() -> bundle_sysimage(image, second)))
                @test readdir(dirname(made)) == ["herald"]
                write(table, text)
                mv(artifact * " away", artifact)
            end

            mktempdir() do elsewhere
                chmod(elsewhere, 0o755)
                place = joinpath(realpath(elsewhere), "it's \"here\" now")
                mv(made, place)
                # Nothing of where it was made can be found.
                away = fixtures * "-away"
                mv(fixtures, away)
                try
                    home = mkdir(joinpath(elsewhere, "home"))
                    chmod(home, 0o777)
                    code = "using Herald; Herald.julia_main(); print(Base.active_project())"
                    users = HAS_NOBODY ? [``, `setpriv --reuid=65534 --regid=65534 --clear-groups`] : [``]
                    for user in users, variables in (["HOME" => home],
                            ["HOME" => home, "JULIA_DEPOT_PATH" => joinpath(home, "empty")])
                        command = setenv(`$user $(joinpath(place, "start")) -e $code`, "PATH" => "/usr/bin:/bin",
                            "PCRS_JULIA" => JULIA, variables...; dir="/")
                        status, out, err = run_app(command)
                        @test (status, err) == (0, "")
                        @test occursin("artifact = \"from the artifact\"", out)
                        @test occursin(repr(joinpath(place, "depot", "artifacts", HASH)), out)
                        @test endswith(out, joinpath(place, "project", "Project.toml"))
                    end
                finally
                    mv(away, fixtures)
                end
            end
        end
    end
end

end
