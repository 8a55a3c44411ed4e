"""
    create_sysimage(packages=nothing; sysimage_path, kwargs...) -> BuildReport
    create_sysimage() -> BuildReport
    create_sysimage(packages=nothing; sysimage_path, cpu_target::Vector, kwargs...) -> Vector{BuildReport}

Builds a sysimage that holds `packages`: a name or a vector of names, as `String` or `Symbol`. Left
out, all dependencies of the project go in, and the project itself if it is a package. Start Julia
on the image with `julia --sysimage=PATH`.

The keywords and their defaults are those of PackageCompiler 2.4.5. Those that are left out may stand
in the project's `Sysimage.toml`, see below.

# Keywords
- `sysimage_path::String`: where the image appears. Its folder is made if need be; an older image
  there is replaced when the new one is complete, not before. A link is followed. A file there that
  is no sysimage stays, and is an error.
- `project::String`: the folder of the project, its project file, or a shared environment such as
  `"@v1.10"`; the active project by default. A file that Julia would not read there is an error.
- `precompile_execution_file`: a workload script or several; what they compile is compiled into the
  image.
- `precompile_statements_file`: a file of `precompile(...)` statements or several.
- `incremental::Bool=true`: build on the image of this session, or, where that is an image of ours, on
  what it was built on; `false` compiles Julia's Base first.
- `filter_stdlibs::Bool=false`: with `incremental=false`, leave out stdlibs that no package needs.
- `include_transitive_dependencies::Bool=true`: load all dependencies of `packages` explicitly, also
  those that their packages load late or not at all.
- `import_into_main::Bool=true`: bind `packages` in `Main`, so that `using .Package` works without
  the project.
- `base_sysimage`: path of the image to build upon instead of this session's. Packages in it stay as they are: other versions
  than the project's are an error.
- `cpu_target="native"`: Julia's `--cpu-target`, such as `"haswell"`, or `"generic"` for any CPU of this architecture; on
  Julia 1.13 and newer also `"sysimage"`, that of the base. Of a CPU's instructions Julia uses those that this machine has
  too. An image that this machine cannot run is built and not started here; a warning says so. A vector of targets builds an image for each, one after the other: `Example.so` becomes
  `Example.haswell.so` and `Example.znver3.so` (what no file name should hold becomes `_`). Given all of them,
  [`install_launcher`](@ref) starts the best that a machine can run. (`"generic;haswell,clone_all"` is one target for
  Julia, and gives one image with both codes.)
- `script`: path of a file that runs in the process whose state becomes the image.
- `sysimage_build_args::Cmd`: further options of that process, such as `` `-O1` ``.
- `compress_sysimage::Bool=false`: write a compressed image (Julia 1.13 and newer).

# Keywords that PackageCompiler does not have
- `dry_run::Bool=false`: resolve everything and return a [`BuildPreview`](@ref); nothing is built.
- `quiet::Bool=false`: show no progress; warnings are in the report.
- `log`: path of the full log. By default it is kept only if the build fails, as
  `sysimage_path * ".log"`.
- `work_dir`: the folder for what the build makes on its way, about three times the size of the image; by
  default that of the image. Give a fast disk of this machine where the image's folder is on a network
  or has little room. Only the finished image is then copied beside `sysimage_path`.
- `verify=:load`: how the image is tried before it is put in place. `:load` starts it and compares
  its packages with the Manifest; `:trace` also runs the workloads on it and reports what they still
  compile; `false` does neither.
- `strict::Bool=false`: a statement that cannot be precompiled fails the build.
- `statement_timeout::Real=300`: seconds after which a statement that hangs the compiler is left
  out; `Inf` sets no limit.
- `idle_limit::Real=600`: seconds for which a process of the build may neither write nor compute
  anything, as when a package starts a timer at its top level; then the build fails and names what
  it waited for. `Inf` waits for ever.
- `image_threads`: threads that generate code (Julia 1.10 and newer; Julia's own choice is half the
  cores).
- `trace_jobs`: how many workloads run at once; by default as many as cores and memory allow.
- `workload_threads`: Julia threads that each workload runs with, as `--threads` gives them; by default one.
- `workload_deps`: files and folders that the workloads read other than by `include`, so that a
  change there is noticed.
- `environment_inputs`: a name or several of environment variables that packages, workloads or
  scripts read, such as `["MY_FLAG"]`, so that another value is noticed. Julia itself does not
  notice: what a package computes from a variable while it is precompiled stays in its cache.
- `workload`: what is run to see what it compiles, one or several: a script's path, as in
  `precompile_execution_file`, or a [`TestSuite`](@ref), the tests of a package. Scripts come first. Tests
  that fail are a warning. `verify=:trace` does not run them again.
- `linked::Bool=true`: link the native code in that lies on the disk already, Julia's own and that of
  the packages' caches, and compile only what neither has. Where that cannot be done everything is
  compiled, as with `false`; the report's `how` tells.
- `include_stdlibs`: a name or several of standard libraries that go in with all that they need, though
  the project does not name them. By default `["REPL"]` on Julia 1.11 and newer with
  `incremental=true`, so that a session on the image has its prompt at once: Julia's own image has no
  prompt there any more, and the caches of standard libraries fit that image alone. `["REPL", "Pkg"]`
  if Pkg is used in such sessions; `[]` for an image that only runs scripts.
- `compile_all::Bool=false`: Julia's own image build compiles every method with a concrete signature,
  whether anybody asked for it or not. On Julia 1.12 a linked image does so only for `packages`; of
  their dependencies it has what their caches have compiled, what statements ask for and what these
  call. With `true` it compiles the rest too (`report.how.left_out` counts it).
- `force::Bool=false`: build even if nothing that goes into the image has changed.
- `exclude`: a name or a vector of names, of packages of the project to leave out when `packages` is
  left out, such as those under development. One that another package needs goes in all the same,
  so that excluding it is an error.
- `image`: the name of the image meant, where the project's `Sysimage.toml` has several.
- `guard::Bool=false`: sessions on the image warn at their start when the active project's Manifest
  disagrees with the packages in the image, which Julia would use without a word. The environment
  variable `PCRS_GUARD=0` turns it off. See also [`sysimage_status`](@ref).

# Sysimage.toml
Keywords that the caller leaves out come from the file `Sysimage.toml` in the folder of the project,
where there is one, so that `create_sysimage()` is all a script needs:
```toml
sysimage_path = "Sysimage.so"
packages = ["Example"]
precompile_execution_file = "precompile_example.jl"
workload = { TestSuite = "Example", test_args = ["quick"] }
sysimage_build_args = ["-O1", "--strip-metadata"]
verify = "trace"
```
The keys are `packages` and all keywords but `project` and `image`. Paths start at the file's folder; a
`sysimage_build_args` in one string is split into words. What the caller gives goes before what the
file says. Several images have a table each, `[images.NAME]`, whose keys go before those above it;
`image="NAME"` chooses one.

# Unchanged builds
An image whose inputs have not changed is not built again: `report.origin` is `:up_to_date` then,
or `:cached` where an earlier image of the same was copied from the cache (see
[`cache_info`](@ref)). Inputs are the Julia build, the base, the options, the packages as the
Manifest has them, the source of packages tracked by path, preferences, workloads and scripts with
all they include, test suites with the package's folder, statement files, and the variables in
`environment_inputs`. Of other environment variables a new value is not noticed.

The environment variable `JULIA_CC` names the compiler that links the image, with arguments if need
be. Without it the first of `c++`, `g++`, `clang++`, `cc`, `gcc` and `clang` on `PATH` is used, and
where there is none the linker that Julia 1.9 and newer bring. `CC`, `CXX` and their flags have no
say.

# Returns
A [`BuildReport`](@ref), or a [`BuildPreview`](@ref) with `dry_run=true`; a vector of these for a vector of targets.

# Errors
[`BuildError`](@ref). Wrong input is found before anything is compiled. An interrupted build
(Ctrl-C) ends its processes, removes what it made, and throws the `InterruptException` on.

# Examples
```julia
using PackageCompilerRS
create_sysimage(["Example"]; sysimage_path="ExampleSysimage.so",
    precompile_execution_file="precompile_example.jl")
```
"""
function create_sysimage(packages=nothing;
    sysimage_path=NOT_GIVEN,
    project=NOT_GIVEN,
    precompile_execution_file=NOT_GIVEN,
    precompile_statements_file=NOT_GIVEN,
    incremental=NOT_GIVEN,
    filter_stdlibs=NOT_GIVEN,
    include_transitive_dependencies=NOT_GIVEN,
    import_into_main=NOT_GIVEN,
    base_sysimage=NOT_GIVEN,
    cpu_target=NOT_GIVEN,
    script=NOT_GIVEN,
    sysimage_build_args=NOT_GIVEN,
    compress_sysimage=NOT_GIVEN,
    dry_run=NOT_GIVEN,
    quiet=NOT_GIVEN,
    log=NOT_GIVEN,
    work_dir=NOT_GIVEN,
    verify=NOT_GIVEN,
    strict=NOT_GIVEN,
    statement_timeout=NOT_GIVEN,
    idle_limit=NOT_GIVEN,
    image_threads=NOT_GIVEN,
    trace_jobs=NOT_GIVEN,
    workload_threads=NOT_GIVEN,
    workload_deps=NOT_GIVEN,
    environment_inputs=NOT_GIVEN,
    force=NOT_GIVEN,
    guard=NOT_GIVEN,
    linked=NOT_GIVEN,
    compile_all=NOT_GIVEN,
    include_stdlibs=NOT_GIVEN,
    workload=NOT_GIVEN,
    exclude=NOT_GIVEN,
    image=NOT_GIVEN,
    unknown...,
)
    @nospecialize # Julia takes no more than 32 marks, an argument each.
    given = Pair{Symbol,Any}[
        :sysimage_path => sysimage_path, :project => project,
        :precompile_execution_file => precompile_execution_file,
        :precompile_statements_file => precompile_statements_file, :incremental => incremental,
        :filter_stdlibs => filter_stdlibs,
        :include_transitive_dependencies => include_transitive_dependencies,
        :import_into_main => import_into_main, :base_sysimage => base_sysimage,
        :cpu_target => cpu_target, :script => script, :sysimage_build_args => sysimage_build_args,
        :compress_sysimage => compress_sysimage, :dry_run => dry_run, :quiet => quiet, :log => log,
        :work_dir => work_dir,
        :verify => verify, :strict => strict, :statement_timeout => statement_timeout,
        :idle_limit => idle_limit, :environment_inputs => environment_inputs,
        :image_threads => image_threads, :trace_jobs => trace_jobs,
        :workload_threads => workload_threads, :workload_deps => workload_deps,
        :force => force, :guard => guard, :linked => linked, :compile_all => compile_all,
        :include_stdlibs => include_stdlibs,
        :workload => workload, :exclude => exclude, :image => image,
    ]
    filter!(pair -> pair.second !== NOT_GIVEN, given)
    for (name, value) in unknown
        push!(given, name => value)
    end
    return create(packages, given; summary=!isinteractive())
end

struct NotGiven end
"Of a keyword that a caller leaves out: what `Sysimage.toml` says counts, then the default in `Options`."
const NOT_GIVEN = NotGiven()

"With a `summary` a line tells of each image; a prompt, and the command for shells, show the report, which begins with it."
function create(@nospecialize(packages), given; summary)
    options = options_from(given)
    packages, given = with_sysimage_toml(packages, given, options)
    options = options_from(given)
    options.cpu_target isa AbstractVector &&
        return on_demand(create_for_each, options.cpu_target, packages, options; summary=summary)
    return create_one(packages, options; summary=summary)
end

function create_one(@nospecialize(packages), options; summary)
    plan = make_plan(packages, options)
    noticed = notices(plan)
    options.dry_run && return BuildPreview(plan, dry_run(plan), noticed)
    report = follow_plan(plan, noticed; quiet=options.quiet)
    summary && !options.quiet && print_summary(stderr, report)
    return report
end

"Builds by `plan` and shows how it goes; `noticed` are warnings from before."
function follow_plan(plan, noticed; quiet)
    adopt_former_cache()
    progress = progress_for(stderr; quiet=quiet)
    warnings = String[]
    table = try
        for text in noticed
            push!(warnings, text)
            show_event(progress,
                Dict{String,Any}("event" => "warning", "stage" => "check", "text" => text))
        end
        run_build(plan) do event
            event["event"] == "warning" && push!(warnings, event["text"])
            show_event(progress, event)
        end
    finally
        finish(progress)
    end
    append!(table["warnings"], warnings)
    note_inputs_for_launchers(plan["sysimage_path"])
    return BuildReport(table)
end
