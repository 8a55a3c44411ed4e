# What apps and libraries have in common: an image with all that it needs, in a folder.

"""
    AppReport

What [`create_app`](@ref) and [`create_library`](@ref) did. Fields: `folder::String`; `image`, the [`BuildReport`](@ref) of the image;
`artifacts::Int`, their number; `audit`, an [`AppAudit`](@ref); `seconds::Float64` of wall time;
`warnings::Vector{String}`, those of the image's build and what may be missing elsewhere.
"""
struct AppReport
    folder::String
    image::BuildReport
    artifacts::Int
    audit::AppAudit
    seconds::Float64
    warnings::Vector{String}
end

Base.show(io::IO, report::AppReport) = print(io, "AppReport(", repr(report.folder), ", ",
    Base.format_bytes(report.audit.bytes), ", ", format_seconds(report.seconds), ")")

function Base.show(io::IO, mime::MIME"text/plain", report::AppReport)
    show(io, mime, report.audit)
    print(io, "\n  image:   ", code_summary(report.image.how))
    print(io, "\n  took:    ", format_seconds(report.seconds), ", of which the image ",
        format_seconds(report.image.seconds))
    foreach(text -> print(io, "\n  warning: ", text), report.warnings)
    return nothing
end

"What is to be bundled, with its plan."
struct Bundle
    target::String
    environment::Environment
    "The package; `nothing` for a project that is none."
    package::Union{Base.PkgId,Nothing}
    order::Vector{EnvironmentPackage}
    options::Options
    force::Bool
    include_lazy_artifacts::Bool
    include_preferences::Bool
end

"""
    plan_bundle(call, package_dir, target, keywords; ...) -> Bundle

# Errors
`BuildError` for wrong input.
"""
function plan_bundle(call, package_dir, target, keywords; incremental, cpu_target, force,
    include_lazy_artifacts, include_preferences)
    check_bundle_keywords(call, keywords)
    target = abspath(target)
    # The folder may be given with a separator at its end.
    isempty(basename(target)) && (target = dirname(target))
    options = options_from(Pair{Symbol,Any}[:incremental => incremental, :cpu_target => cpu_target, keywords...])
    options.cpu_target isa AbstractVector && throw(BuildError("`cpu_target` is a list";
        cause="what `$call` makes has one image", hint="give one text; `;` separates targets of one image"))
    # Nobody has a prompt there.
    options.include_stdlibs === nothing && (options.include_stdlibs = String[])
    options.sysimage_path = joinpath(target, "lib", "julia", "sys." * Libdl.dlext)
    options.project = package_dir
    check_options(options)
    project_file = find_project(package_dir)
    force = check_flag(:force, force)
    check_target(target, dirname(project_file); force=force)
    environment = installed_environment(project_file; quiet=options.quiet)
    package = package_of(environment)
    roots = requested_packages(environment, package === nothing ? nothing : [package.name])
    return Bundle(target, environment, package, load_order(environment, roots), options, force,
        check_flag(:include_lazy_artifacts, include_lazy_artifacts),
        check_flag(:include_preferences, include_preferences))
end

"The project itself, if it is a package."
function package_of(environment)
    folder = dirname(environment.project_file)
    for entry in values(environment.packages)
        entry.path == folder && return entry.id
    end
    return nothing
end

"""
    make_bundle(add, bundle, image, functions; library) -> AppReport

Makes the folder, with the image at `image` in it, whose executables call `functions`, or that is a library
which `library` starts; `add(work)` adds what else there is to be.
"""
function make_bundle(add, bundle, image, functions; library=nothing)
    start = time()
    quiet = bundle.options.quiet
    check() = check_target(bundle.target, dirname(bundle.environment.project_file); force=bundle.force)
    image_report, artifacts, warnings = in_work_folder(check, bundle.target) do work
        library === nothing || copy_file(library, joinpath(work, "lib", "julia", basename(library)))
        report = build_image(bundle, joinpath(work, image), functions, library)
        packages = packages_of_image(report.sysimage_path)
        say(quiet, "libraries, artifacts and certificates")
        warnings = bundle_libraries(work, packages)
        packages === nothing && push!(warnings, "the image could not be started here, so that it is not known which " *
            "standard libraries it holds: what any of them needs was bundled")
        depot, include_lazy = joinpath(work, "share", "julia"), bundle.include_lazy_artifacts
        artifacts, missed = bundle_artifacts(depot, bundle.order; include_lazy=include_lazy)
        append!(warnings, missed)
        bundle_resources(work, packages)
        bundle_project(work, bundle.environment, bundle.package; include_preferences=bundle.include_preferences)
        add(work)
        report, artifacts, warnings
    end
    audit = audit_app(bundle.target)
    prepend!(warnings, image_report.warnings)
    report = AppReport(bundle.target, image_report, artifacts, audit, time() - start, warnings)
    quiet || println(stderr, stage_line("bundle", "$(bundle.target) ("), Base.format_bytes(audit.bytes), ") in ",
        format_seconds(report.seconds))
    return report
end

say(quiet, text) = quiet ? nothing : println(stderr, stage_line("bundle", text))

"Builds the image at `path`, without what lies beside an image; the log of a failed build is kept beside the folder."
function build_image(bundle, path, functions, library)
    options = bundle.options
    options.sysimage_path = path
    mkpath(dirname(path))
    plan = make_plan(bundle.package === nothing ? nothing : [bundle.package.name], options)
    plan["app"] = Dict{String,Any}("functions" => functions, "package" => bundle.package === nothing ?
        Dict{String,Any}("name" => "", "uuid" => "") :
        Dict{String,Any}("name" => bundle.package.name, "uuid" => string(bundle.package.uuid)))
    plan["library"] = library
    plan["logs_beside"] = bundle.target
    report = follow_plan(plan, notices(plan); quiet=options.quiet)
    rm(path * ".json"; force=true)
    return report
end

"""
Names of the packages in the image at `path`; `nothing` where it cannot be started here, as one for another
CPU.
"""
function packages_of_image(path)
    return mktempdir() do folder
        # What packages print is their own.
        names = joinpath(folder, "names")
        command = `$(joinpath(Sys.BINDIR, Base.julia_exename())) --sysimage=$path --startup-file=no
            $(joinpath(package_folder(), "julia", "apps", "packages_in_image.jl")) $names`
        variables = Dict{String,String}("JULIA_LOAD_PATH" => "@stdlib")
        # As for the children of the build: packages may need what is in a depot that startup.jl named.
        depots = depots_of_children()
        depots === nothing || (variables["JULIA_DEPOT_PATH"] = depots)
        process = run(pipeline(ignorestatus(addenv(command, variables));
            stdin=devnull, stdout=devnull, stderr=devnull))
        process.exitcode == 0 && process.termsignal == 0 && isfile(names) || return nothing
        Set{String}(split(read(names, String), '\0'))
    end
end
