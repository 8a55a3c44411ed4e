# Writes a package of many functions, each put together at random, always the same ones.

"Numbers that look random; the same on every Julia, as those of Random are not."
mutable struct Dice
    state::UInt64
end

function throw_dice(dice::Dice, from::Int, to::Int)
    dice.state = dice.state * 0x5851f42d4c957f2d + 0x14057b7ef767814f
    return from + Int((dice.state >> 33) % UInt64(to - from + 1))
end

# Expressions of `x`, an `Int`; §A, §B and §C stand for numbers from 1 to 9.
const PIECES = [
    "sum(i -> i^2 + §A, 1:(x % §B + §C))",
    "mapreduce(i -> i * §A, +, (x, §B, §C))",
    "join(map(i -> string(i, base=§A + 1), x:(x + §B)), '-')",
    "replace(string(x * §A), '§B' => \"<§C>\")",
    "split(\"§A,§B,,§C,\$x\", ','; keepempty=false)",
    "sort!([x % §A, §B, §C, -x]; by=abs, rev=true)",
    "sortperm([x % 7, §A, §B, §C])",
    "string(x // §A + §B // §C)",
    "complex(x, §A) * complex(§B, §C)",
    "round(sqrt(x + §A) + exp(§B / 10) * sin(§C); digits=6)",
    "big(x + §A)^(§B + 10) ÷ §C",
    "digits(x + §A; base=§B + 1, pad=§C)",
    "uppercase(lpad(string(x; base=16), §A, 'c')) * repeat(\"é\", §B)",
    "bitstring(UInt8((x + §A) % 256)) * string(count_ones(x * §B), leading_zeros(§C))",
    "Dict(i => i^§A for i in 1:§B)[min(§C, §B)]",
    "sort!(collect(union(Set([x % §A, §B]), Set([§B, §C]))))",
    "[i * j for i in 1:§A, j in 1:§B if isodd(i + j + x)]",
    "collect(zip(1:§A, reverse(1:§B), Iterators.cycle(('u', 'v'))))[1]",
    "try; parse(Int, \"Ax\"); catch err; nameof(typeof(err)); end",
    "try; [§A, §B][x % 5 + §C]; catch err; err isa BoundsError ? x : 0; end",
    "(; a=x, b=§A, c=\"§B\").b + length((x, §A, '§C'))",
    "reinterpret(UInt32, Float32(x) / §A) ⊻ UInt32(§B)",
    "let total = x; for i in 1:§A; iseven(i) && continue; total += i * §B; total > 500 && break; end; total; end",
    "foldl((a, b) -> 31a + b, codeunits(\"§A\$(x)§B\"); init=§C) % 1009",
    "first(match(r\"(\\d)\\D*(\\d)\", \"x§Ay\$(x)§Bz\").captures)",
    "view(collect(1:(§A + 10)), 2:(§B + 1))[end] + x",
    "permutedims(reshape(collect(1:6) .+ x, 2, 3))[§A % 3 + 1, §B % 2 + 1]",
    "([§A §B; §C x] * [x §A; §B §C])[2, 1]",
    "sprint(show, (x, [§A, §B], \"§C\", :s, 1.5, nothing))",
    "Tuple(accumulate(*, [§A, §B, §C, x % 3]))",
    "let f = isodd(x) ? (y -> y + §A) : (y -> y * 1.5); f(§B); end",
    "let v = Any[x, §A / §B, \"§C\", 'z', nothing]; map(y -> y isa Number ? y + 1 : y, v); end",
    "something(findfirst(==(§A), [§B, §C, x % 10]), -1)",
    "gcd(x + §A, §B * §C) + lcm(§A, §B) + powermod(x, §A, §C + 1) + invmod(§A, 11)",
    "nextpow(2, x + §A) + trailing_zeros(§B << §C)",
    "string(Char('a' + (x + §A) % 26), '@' + §B) * titlecase(\"word §C\")",
    "Int8(§A) + UInt16(§B) * Float32(§C) - x",
    "isempty(filter(c -> isdigit(c) || c == '§A', \"ab\$(x)\")) ? §A : §B",
    "cumsum(fill(§A, §B % 4 + 1)) .+ (x .- (1:(§B % 4 + 1)))",
    "string(pairs((a=§A, b=x)))",
    "IOBuffer(\"§A §B §C \$x\") |> readline |> length",
    "minimum(abs, (x - §A, §B - x, §C)) |> float",
    "append!(Union{Int,Missing}[§A, missing, x], [§B]) |> skipmissing |> sum",
    "typejoin(typeof(x), Float64), promote(x, §A / §B)[1]",
    "(y -> y > §A ? (z -> z - y)(x) : string(y))(§C)",
    "escape_string(\"tab\\t\$x\") * string('\\u03b1' + §A)",
    "mod1(x, §A), fld(x, §B), cld(x, §C), divrem(-x, §A)",
    "evalpoly(x % 5, (§A, §B, §C)) + muladd(§A, x, §B)",
    "Symbol(\"s\", x % §A) === Symbol(\"s\", §B % §A)",
    "unsafe_string(pointer(\"pointed §A\")) * string(sizeof(Int32) + §C)",
]

"The text of `f<n>`, with `amount` pieces."
function function_text(dice, n, amount)
    numbers = Dict(letter => string(throw_dice(dice, 1, 9)) for letter in ("§A", "§B", "§C"))
    pieces = map(1:amount) do _
        replace(PIECES[throw_dice(dice, 1, length(PIECES))], r"§." => letter -> numbers[letter])
    end
    body = join(("    push!(parts, string($piece))" for piece in pieces), '\n')
    calls = n > 1 ? "    x > 90 && push!(parts, f$(throw_dice(dice, 1, n - 1))(x - 50))\n" : ""
    return "function f$n(x::Int)\n    parts = String[]\n$body\n$(calls)    return join(parts, \" | \")\nend\n"
end

"""
Writes the package Generated, with `amount` functions, into `folder`. Its cache has native code of
every second one.
"""
function write_generated(folder, amount)
    dice = Dice(20)
    functions = [function_text(dice, n, throw_dice(dice, 2, 4)) for n in 1:amount]
    mkpath(joinpath(folder, "src"))
    write(joinpath(folder, "Project.toml"),
        "name = \"Generated\"\nuuid = \"$GENERATED\"\nversion = \"0.1.0\"\n")
    names = join(("f$n" for n in 1:amount), ", ")
    write(joinpath(folder, "src", "Generated.jl"), """
        module Generated
        $(join(functions, '\n'))
        const FUNCTIONS = Any[$names]
        "The results of the first functions, a line each."
        results(x=100, amount=$amount) = String[string(f, ": ", Base.invokelatest(f, x)) for f in FUNCTIONS[1:amount]]
        foreach(f -> precompile(f, (Int,)), FUNCTIONS[1:2:end])
        end
        """)
    return folder
end

const GENERATED = "11111111-aaaa-4aaa-8aaa-00000000000e"
