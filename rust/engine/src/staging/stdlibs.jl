# Lists the packages of the default sysimage, on which this child runs.
include("session.jl")

let records = read_records(ARGS[1]), journal = Journal(value_of(records, "journal"))
    ids = [id for id in keys(Base.loaded_modules) if id.uuid !== nothing]
    for id in sort!(ids; by=id -> (id.name, string(id.uuid)))
        note(journal, "package", string(id.uuid, ' ', id.name))
    end
    close(journal)
end
