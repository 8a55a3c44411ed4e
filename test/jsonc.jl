using PackageCompilerRS
using Test

using PackageCompilerRS: append_item, jsonc_member, parse_jsonc, remove_item

appended(text, item) = append_item(text, parse_jsonc(text), item)
removed(text, index) = remove_item(text, parse_jsonc(text), index, 0)

@testset "JSONC" begin
    @testset "reading" begin
        root = parse_jsonc("""
            // first { not read }
            {
                "a": 1, /* "b": 2, */
                "url": "http://host/*path*/", // comment
                "c": [true, null, "x",],
                "d": {"e": {}},
            } /* end */
            """)
        @test root.kind === :object
        @test [item.key for item in root.items] == ["a", "url", "c", "d"]
        @test root.items[1].value == 1
        @test root.items[2].value == "http://host/*path*/"
        @test root.items[3].kind === :array
        @test [item.value for item in root.items[3].items] == [true, nothing, "x"]
        @test parse_jsonc("\ufeff{}").kind === :object
        @test parse_jsonc("") === nothing
        @test parse_jsonc(" // nothing\n/* here */ \r\n") === nothing
        @test jsonc_member(parse_jsonc("{\"a\": 1, \"b\": 2, \"a\": 3}"), "a").value == 3
        @test jsonc_member(parse_jsonc("{\"\\u0061\": 1}"), "a").value == 1
        @test jsonc_member(parse_jsonc("{}"), "a") === nothing
    end

    @testset "what is not JSONC: $(repr(text))" for (text, line) in (
        "{" => 1, "{\n\"a\"\n}" => 3, "{\"a\": 1}\n}" => 2, "{\"a\": 1 \"b\": 2}" => 1,
        "{\n\n\"a\": hello}" => 3, "{a: 1}" => 1, "{,}" => 1, "{\"a\": 1,,}" => 1,
        "{} /* open" => 1, "{\"a\": \"open}" => 1, "[1 2]" => 1, "{\"a\": [}" => 1, "{} {}" => 1,
        "{} / /" => 1,
    )
        err = try parse_jsonc(text) catch err; err end
        @test err isa ArgumentError
        @test err.msg == "not JSON at line $line"
    end

    @testset "appending" begin
        for (before, after) in (
            "{}" => "{\n    \"n\": 0\n}",
            "{ \t }" => "{\n    \"n\": 0\n}",
            "{ // c\n}" => "{ // c\n    \"n\": 0\n}",
            "{\"a\": 1}" => "{\"a\": 1, \"n\": 0}",
            "{\"a\": 1,}" => "{\"a\": 1, \"n\": 0,}",
            "{ \"a\": 1 /* c */ }" => "{ \"a\": 1 /* c */, \"n\": 0 }",
            "{\"a\": 1 // c\n}" => "{\"a\": 1, // c\n\"n\": 0\n}",
            "{\n  \"a\": 1\n}" => "{\n  \"a\": 1,\n  \"n\": 0\n}",
            "{\n  \"a\": 1,\n}" => "{\n  \"a\": 1,\n  \"n\": 0,\n}",
            "{\n\t\"a\": 1 // c\n}" => "{\n\t\"a\": 1, // c\n\t\"n\": 0\n}",
            "{\n\t\"a\": 1, // c\n}" => "{\n\t\"a\": 1, // c\n\t\"n\": 0,\n}",
            "{\n  \"a\": [\n    1\n  ]\n  // last\n}" =>
                "{\n  \"a\": [\n    1\n  ],\n  \"n\": 0\n  // last\n}",
            "{\r\n  \"é\": \"ü\"\r\n}\r\n" => "{\r\n  \"é\": \"ü\",\r\n  \"n\": 0\r\n}\r\n",
            "{\r\n}\r\n" => "{\r\n    \"n\": 0\r\n}\r\n",
        )
            @test appended(before, "\"n\": 0") == after
            @test jsonc_member(parse_jsonc(after), "n").value == 0
        end
        # An array inside: one level deeper than its line.
        text = "{\n  \"a\": []\n}"
        array = jsonc_member(parse_jsonc(text), "a")
        @test append_item(text, array, "1") == "{\n  \"a\": [\n    1\n  ]\n}"
    end

    @testset "removing" begin
        for (before, index, after) in (
            ("[1]", 1, "[]"),
            ("[\n  1\n]", 1, "[]"),
            ("[\n  1 // c\n]", 1, "[\n // c\n]"),
            ("[1, 2, 3]", 1, "[2, 3]"),
            ("[1, 2, 3]", 2, "[1, 3]"),
            ("[1, 2, 3]", 3, "[1, 2]"),
            ("[1, 2,]", 2, "[1, ]"),
            ("[\n  1,\n  2,\n  3\n]", 1, "[\n  2,\n  3\n]"),
            ("[\n  1,\n  2,\n  3\n]", 2, "[\n  1,\n  3\n]"),
            ("[\n  1,\n  2,\n  3\n]", 3, "[\n  1,\n  2\n]"),
            ("[\n  1,\n  2,\n]", 2, "[\n  1,\n]"),
            ("[\r\n  1, // c\r\n  2\r\n]", 2, "[\r\n  1 // c\r\n]"),
            ("{\n  // about a\n  \"a\": 1,\n  \"b\": {\n    \"c\": 2\n  }\n}", 2,
                "{\n  // about a\n  \"a\": 1\n}"),
        )
            @test removed(before, index) == after
            @test parse_jsonc(after) !== nothing
        end
    end

    @testset "appending and removing leaves the text as it was" begin
        for text in (
            "{}", "[]", "{\"a\": 1}", "{\"a\": 1, \"b\": [1, 2]}", "{\n  \"a\": 1\n}\n",
            "{\n  \"a\": 1,\n}\n", "{\r\n\t\"a\": 1, // c\r\n}", "{\n  \"a\": 1 // c\n}",
            "{ \"a\": 1 /* c */ }", "// c\n{\n    // d\n    \"a\": {}\n    // e\n}\n",
            "\ufeff{\n \"é\": \"日本\"\n}",
        )
            item = startswith(text, "[") ? "0" : "\"n\": 0"
            new = appended(text, item)
            @test new != text
            @test removed(new, length(parse_jsonc(new).items)) == text
        end
    end
end
