# Reads what the engine hands to a child, and makes the child's session see the project and
# nothing else. Runs on every Julia since 1.5, also in the image process, where Base is not set up.

"""
    read_records(path) -> Dict{String,Vector{String}}

The values of each key, in the order written. Fields end in NUL, two a record (`records.rs`).
"""
function read_records(path::String)
    fields = split(read(path, String), '\0')
    records = Dict{String,Vector{String}}()
    for i in 1:2:(length(fields) - 1)
        push!(get!(() -> String[], records, String(fields[i])), String(fields[i + 1]))
    end
    return records
end

values_of(records, key) = get(() -> String[], records, key)
value_of(records, key) = (all = values_of(records, key); isempty(all) ? nothing : all[1])

"Appends records to a file that the engine follows while the child runs."
struct Journal
    io::IOStream
end
Journal(path::String) = Journal(open(path, "a"))

function note(journal::Journal, key::String, value::String)
    write(journal.io, key, '\0', replace(value, '\0' => ' '), '\0')
    flush(journal.io)
    return nothing
end

Base.close(journal::Journal) = close(journal.io)

"The packages that the engine names under `key`, as `uuid name`."
function packages_of(records, key)
    return map(values_of(records, key)) do text
        uuid, name = split(text, ' '; limit=2)
        Base.PkgId(Base.UUID(String(uuid)), String(name))
    end
end

"Only the project and the stdlibs can be loaded; the path is data, so it may hold any character."
function use_project(records)
    copy!(LOAD_PATH, [value_of(records, "project"), "@stdlib"])
    return nothing
end
