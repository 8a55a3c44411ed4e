# Fills the precompile caches of the asked packages and what they need, and of nothing else in the
# environment.
include("session.jl")

let records = read_records(ARGS[1]), journal = Journal(value_of(records, "journal"))
    use_project(records)
    direct = packages_of(records, "direct")
    if value_of(records, "named") == "true" && !isempty(direct)
        # Pkg works on several packages at once.
        Pkg = Base.require(Base.PkgId(Base.UUID("44cfe95a-1eb2-52ea-b672-e2afdf69b78f"), "Pkg"))
        Base.invokelatest(Pkg.precompile, [id.name for id in direct])
    end
    # What is left, such as a package that is the project itself; a fresh cache costs its check.
    for id in packages_of(records, "package")
        note(journal, "load", id.name)
        Base.require(id)
    end
    close(journal)
end
