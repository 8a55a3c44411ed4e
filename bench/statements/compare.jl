# Merges each FILE the line-by-line way, as Julia code would do it, and with the Rust example:
#     julia compare.jl MERGE FILE...
# MERGE is the built example `merge`. Both run on one core; each time is the best of a few runs.

const MERGE = ARGS[1]

function merge_lines(file)
    seen = Set{String}()
    statements = String[]
    for line in eachline(file)
        ex = try
            Meta.parse(line)
        catch
            continue
        end
        ex isa Expr && ex.head === :call && ex.args[1] === :precompile || continue
        line in seen && continue
        push!(seen, line)
        push!(statements, line)
    end
    return statements
end

fields(output) = Dict(map(f -> Tuple(split(f, '=')), split(output)))

runs(lines) = lines <= 10_000 ? 5 : lines <= 100_000 ? 3 : 1

function main(files)
    println(rpad("lines", 10), rpad("unique", 10), rpad("Julia s", 12), rpad("Rust s", 12),
        rpad("ratio", 8), rpad("peak MB", 9), "peak / unique bytes")
    merge_lines(first(files))
    for file in files
        found = fields(read(`$MERGE --trace $file`, String))
        count = runs(parse(Int, found["lines"]))
        rust = minimum(1:max(3, count)) do _
            parse(Float64, fields(read(`$MERGE --trace $file`, String))["seconds"])
        end
        number = 0
        julia = minimum(1:count) do _
            GC.gc()
            @elapsed number = length(merge_lines(file))
        end
        string(number) == found["statements"] ||
            error("$file: Julia finds $number statements, Rust $(found["statements"])")
        peak = parse(Int, found["peak"])
        println(rpad(found["lines"], 10), rpad(found["statements"], 10),
            rpad(round(julia, sigdigits=4), 12), rpad(round(rust, sigdigits=4), 12),
            rpad(round(Int, julia / rust), 8), rpad(round(peak / 1e6, digits=1), 9),
            round(peak / parse(Int, found["bytes"]), digits=2))
    end
end

main(ARGS[2:end])
