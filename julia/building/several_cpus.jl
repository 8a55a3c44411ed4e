# An image for each of several CPUs, in one call.

"""
    create_for_each(targets, packages, options; summary) -> Vector

Builds an image for each of `targets`. What was built before a build failed stays.

# Errors
`BuildError` for targets that are no texts, none at all, or such that would have one file, and for a path without a
name of a file; and as a build of one.
"""
function create_for_each(targets, @nospecialize(packages), options; summary)
    isempty(targets) && throw(BuildError("`cpu_target` is an empty list"; hint="name a CPU, or leave it out"))
    all(target -> target isa AbstractString, targets) ||
        throw(wrong_value(:cpu_target, targets, CPU_TARGET_IN_WORDS))
    options.log === nothing || throw(BuildError("`log` is given for several images";
        cause="each would replace the log of the one before", hint="leave it out: the log of a build that fails is kept"))
    whole = something(options.sysimage_path, "")
    isempty(strip(basename(whole))) && throw(BuildError("`sysimage_path` has no file name";
        hint="give the path of the images to be, such as \"Sysimage.so\", into which each target comes"))
    check_text("`sysimage_path`", whole)
    paths = [path_for_cpu(whole, target) for target in targets]
    allunique(paths) || throw(BuildError("`cpu_target` names two images `$(twice(paths))`";
        hint="give each target once"))
    foreach(check_cpu_target, targets)
    results = map(targets, paths) do target, path
        own = copy_of(options)
        own.cpu_target, own.sysimage_path = target, path
        create_one(packages, own; summary=summary)
    end
    return results
end

"The path of the image for one CPU: that of the whole, with the target before its extension."
function path_for_cpu(path, target)
    stem, extension = splitext(path)
    return string(stem, '.', replace(target, r"[^A-Za-z0-9._-]+" => "_"), extension)
end

twice(values) = values[findfirst(value -> count(isequal(value), values) > 1, values)]

copy_of(options::Options) = Options(; (name => getfield(options, name) for name in fieldnames(Options))...)
