# Runs on the new image: notes what it holds.

# Under --trace-compile: what stands above this call in the trace, the start of the image has compiled.
module PackageCompilerRSStart
const DONE = Ref(false)
@noinline done() = (DONE[] = true; nothing)
end
PackageCompilerRSStart.done()

include("session.jl")

let records = read_records(ARGS[1]), journal = Journal(value_of(records, "journal"))
    for id in packages_of(records, "package")
        if haskey(Base.loaded_modules, id)
            note(journal, "loaded", string(id.uuid))
            # Known to the image since Julia 1.9, unless it was stripped of its metadata.
            if isdefined(Base, :PkgOrigin) && hasfield(Base.PkgOrigin, :version)
                origin = get(Base.pkgorigins, id, nothing)
                if origin !== nothing && origin.version !== nothing
                    note(journal, "version", string(id.uuid, ' ', origin.version))
                end
            end
        end
    end
    note(journal, "julia", string(VERSION))
    close(journal)
end
