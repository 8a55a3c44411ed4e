# Evaluates precompile statements one by one and says of each what became of it.

"""
    evaluate_statements(path, skipped, journal)

Precompiles the statements of the file at `path`, one a line, each of the form `precompile(...)`
(the engine lets no other through). Line numbers in `skipped` are left out. Before each statement
its number is noted, so that a crash has a name; after it the outcome, as
`number outcome seconds detail`.
"""
function evaluate_statements(path, skipped, journal)
    binder = Binder()
    for (number, text) in enumerate(eachline(path))
        number in skipped && continue
        note(journal, "statement", string(number))
        start = time_ns()
        outcome, detail = evaluate(binder, text)
        seconds = (time_ns() - start) / 1e9
        note(journal, "result", string(number, ' ', outcome, ' ', seconds, ' ', detail))
    end
    return nothing
end

"""
Resolves names in statements to what is loaded. Statements are evaluated in modules of their own,
one for each choice among packages of the same name.
"""
mutable struct Binder
    areas::Dict{Vector{Pair{Symbol,Any}},Module}
    # Made when a name first needs it: most images never do.
    nested::Union{Nothing,Dict{Symbol,Vector{Any}}}
end

Binder() = Binder(Dict{Vector{Pair{Symbol,Any}},Module}(), nothing)

function area(binder, choice)
    haskey(binder.areas, choice) && return binder.areas[choice]
    mod = Module(:PackageCompilerRSStatements)
    for (name, value) in choice
        Core.eval(mod, Expr(:const, Expr(:(=), name, value)))
    end
    return binder.areas[choice] = mod
end

function evaluate(binder, text)
    call = Meta.parse(text; raise=false)
    if !(call isa Expr && call.head === :call && call.args[1] === :precompile)
        return "error", "it does not parse: $text"
    end
    attempts = attempt(binder, Expr(:tuple, call.args[2:end]...), Pair{Symbol,Any}[])
    for wanted in ("precompiled", "returned_false", "error", "name_not_found")
        found = [detail for (outcome, detail) in attempts if outcome == wanted]
        isempty(found) || return wanted, join(filter(!isempty, found), "; ")
    end
    return "error", "nothing came of it"
end

"The outcomes, one for each way of reading the names in `arguments`."
function attempt(binder, arguments, choice)
    mod = area(binder, choice)
    while true
        values = try
            Core.eval(mod, arguments)
        catch err
            err isa UndefVarError || return [("error", first_line(err))]
            name = err.var
            # Bound already: the name is one inside another module.
            Base.invokelatest(isdefined, mod, name) && return [missing_name(name)]
            meanings = meanings_of(binder, name)
            isempty(meanings) && return [missing_name(name)]
            if length(meanings) > 1
                choices = [vcat(choice, Pair{Symbol,Any}(name, meaning)) for meaning in meanings]
                return reduce(vcat, [attempt(binder, arguments, c) for c in choices])
            end
            Core.eval(mod, Expr(:const, Expr(:(=), name, meanings[1])))
            continue
        end
        return [compile(values, choice)]
    end
end

missing_name(name) = ("name_not_found", string('`', name, '`'))

function compile(values, choice)
    note = join((string('`', name, "` read as ", describe(value)) for (name, value) in choice), ", ")
    done = try
        Base.invokelatest(precompile, values...)
    catch err
        return "error", first_line(err)
    end
    return (done === false ? "returned_false" : "precompiled"), note
end

first_line(err) = String(split(sprint(showerror, err), '\n')[1])

function describe(value)
    value isa Module || return string(value)
    id = Base.PkgId(value)
    return id.uuid === nothing ? string(value) : string(value, " [", id.uuid, ']')
end

"What `name` can mean, the likeliest kind only: a package, a module inside one, an exported name."
function meanings_of(binder, name)
    ids = [id for id in keys(Base.loaded_modules) if id.name == string(name)]
    sort!(ids; by=id -> string(id.uuid))
    isempty(ids) || return Any[Base.loaded_modules[id] for id in ids]
    binder.nested === nothing && (binder.nested = nested_names())
    return get(() -> Any[], binder.nested, name)
end

"Modules inside the loaded packages, and what these export, by name."
function nested_names()
    modules = Dict{Symbol,Vector{Any}}()
    exported = Dict{Symbol,Vector{Any}}()
    seen = Set{Module}()
    ids = sort!(collect(keys(Base.loaded_modules)); by=id -> (id.name, string(id.uuid)))
    for id in ids
        root = Base.loaded_modules[id]
        root in (Main, Base, Core) && continue
        for name in names(root)
            remember!(exported, name, root)
        end
        collect_modules!(modules, root, seen)
    end
    return merge(exported, modules)
end

function collect_modules!(modules, parent, seen)
    push!(seen, parent)
    for name in names(parent; all=true)
        isdefined(parent, name) && !Base.isdeprecated(parent, name) || continue
        value = getfield(parent, name)
        if value isa Module && !(value in seen) && parentmodule(value) === parent
            remember!(modules, nameof(value), parent)
            collect_modules!(modules, value, seen)
        end
    end
    return nothing
end

function remember!(table, name, parent)
    isdefined(parent, name) && !Base.isdeprecated(parent, name) || return nothing
    value = getfield(parent, name)
    known = get!(() -> Any[], table, name)
    any(other -> other === value, known) || push!(known, value)
    return nothing
end
