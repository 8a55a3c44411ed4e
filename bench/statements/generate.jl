# Writes statements such as a trace holds, about 100 bytes each:
#     julia generate.jl FILE LINES [DUPLICATES]
# of which the share DUPLICATES (0 to 1) repeats an earlier line.

const FUNCTIONS = ["Base.setindex!", "Base.getindex", "Base.:(==)", "Base.broadcasted", "Base.map",
    "LinearAlgebra.mul!", "Base.collect_similar", "Base.Iterators.enumerate", "Base.show",
    "Base.Filesystem.joinpath", "Base.:(+)", "Base.copyto!", "Base.Broadcast.materialize"]
const TYPES = ["Int64", "Float64", "String", "Array{Float64, 2}", "Base.Dict{String, Any}",
    "NamedTuple{(:by, :rev), Tuple{typeof(Base.identity), Bool}}", "Base.Val{:x}",
    "Base.SubString{String}", "Union{Nothing, Base.Missing, Int64}", "Type{Array{T, 1} where T}",
    "Tuple{Int64, Vararg{Any, N} where N}", "Base.var\"#12#13\"{Int64}", "Symbol"]

function statement(number)
    arguments = [TYPES[1 + (number * k + number ÷ 7 + k) % length(TYPES)] for k in 1:1+number%3]
    name = FUNCTIONS[1+number%length(FUNCTIONS)]
    string("precompile(Tuple{typeof(", name, "), Pkg", number, ".Kind{", number % 10, "}, ",
        join(arguments, ", "), "})")
end

function main(file, lines, duplicates)
    unique = max(1, round(Int, lines * (1 - duplicates)))
    open(file, "w") do io
        for i in 0:lines-1
            println(io, statement(i < unique ? i : i * 7919 % unique))
        end
    end
end

main(ARGS[1], parse(Int, ARGS[2]), length(ARGS) > 2 ? parse(Float64, ARGS[3]) : 0.0)
