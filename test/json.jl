using PackageCompilerRS: parse_json, write_json

@testset "what is written is read again" begin
    for value in Any[nothing, true, false, 0, -17, 2.5, "", "a\"b\\c\n\t\0é∀😀", Any[], Any[1, "x", nothing],
        Dict{String,Any}(), Dict{String,Any}("a" => Any[Dict{String,Any}("b" => 1)], "é" => "é")]
        @test isequal(parse_json(write_json(value)), value)
    end
end

@testset "what other writers write is read" begin
    @test parse_json(" { \"a\" : [ 1 , 2e3 ] } \n") == Dict("a" => [1, 2000.0])
    @test parse_json("\"\\u00e9\\ud83d\\ude00\\/\"") == "é😀/"
end

@testset "what is not JSON is an error" begin
    for text in ("", "{", "[1,]", "{\"a\"}", "tru", "\"a", "\"\\q\"", "\"\\ud83d\"", "1 2", "-", "{1:2}")
        @test_throws ArgumentError parse_json(text)
    end
end
