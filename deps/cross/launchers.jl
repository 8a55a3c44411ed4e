# Writes launchers for Windows as `install_launcher` does there, and starts them in Wine's cmd.
#
#   julia deps/cross/launchers.jl FOLDER WINE     FOLDER: with `julia.exe`, made of julia.c

using PackageCompilerRS, Test

const FOLDER, WINE = abspath(ARGS[1]), abspath(ARGS[2])
const VERSION_OF_JULIA = "1.10.6"

# In Wine 8 cmd expands the value of a variable once more (`set` shows the right one, `"%x%"` does not), and reads scripts
# in the system's code page whatever `chcp` was told. Not so in Windows.
const NOT_IN_WINE = ["100% %PATH%", "é ü λ"]

windows_path(path) = "Z:" * replace(path, '/' => '\\')

"""
    start(place; options, commit, stamp, args) -> (words, said, code)

Starts a launcher whose Julia and image lie in the folder `place`: what its Julia was started with, what it said itself
and how it ended.
"""
function start(place; options=String[], commit="", stamp=nothing, args=String[], image=true)
    folder = mkpath(joinpath(FOLDER, place))
    cp(joinpath(FOLDER, "julia.exe"), joinpath(folder, "julia.exe"); force=true)
    image && write(joinpath(folder, "Image.dll"), "an image")
    stamp === nothing || write(joinpath(folder, "Image.dll.json"), stamp)
    write(joinpath(folder, "version_git.jl"), "commit = \"0123abcd\"\n")
    at(name) = windows_path(joinpath(folder, name))
    launcher = PackageCompilerRS.Launcher("x", :shell, "x.cmd", at("Image.dll"), nothing, at("julia.exe"), options, nothing,
        String[])
    identity = (julia="", version=VERSION_OF_JULIA, commit=commit, version_file=at("version_git.jl"))
    script = joinpath(FOLDER, "x.cmd")
    write(script, PackageCompilerRS.windows_script(launcher, identity))
    out, err = IOBuffer(), IOBuffer()
    command = pipeline(ignorestatus(`$WINE cmd /c $(windows_path(script)) $args`); stdout=out, stderr=err)
    process = run(command)
    words = [String(chop(line; head=1, tail=1)) for line in split(String(take!(out)), '\n') if startswith(line, '[')]
    return words, strip(String(take!(err))), process.exitcode, at("Image.dll")
end

@testset "Launchers in Wine's cmd" begin
    @testset "a Julia and an image in `$place`" for place in
            ("plain", "a b", "100% %PATH%", "a & b", "a^b", "(x) !y!", "it's, a;b=c", "é ü λ")
        words, said, code, image = start(place; args=["one", "a b"])
        right = (words, said, code) == (["--sysimage=$image", "one", "a b"], "", 7)
        place in NOT_IN_WINE ? @test_broken(right) : @test(right)
    end
    @testset "options are what they were" begin
        given = ["--threads=2", "--project=C:\\a b\\", "say \"hi & bye\" 100% (^x) <y>", "\\\""]
        words, said, code, image = start("options"; options=given)
        @test (words, said) == (["--sysimage=$image"; given], "")
        # As in `NOT_IN_WINE`.
        words, said, code, image = start("options"; options=["é"])
        @test_broken (words, said) == (["--sysimage=$image", "é"], "")
    end
    @testset "a Julia and an image that fit" begin
        stamp = "{\"name\":\"x\",\"julia_version\":\"$VERSION_OF_JULIA\",\"y\":1}"
        words, said = start("fitting & more"; commit="0123abcd", stamp=stamp)
        @test startswith(words[1], "--sysimage=") && said == ""
    end
    @testset "those that do not are told of, and Julia starts without the image" begin
        words, said, code = start("another & build"; commit="4567", args=["one"])
        @test (words, code) == (["one"], 7)
        @test occursin("is no longer the Julia 1.10.6 that the sysimage was made for", said)
        words, said = start("another image"; stamp="{\"julia_version\":\"1.12.5\"}")
        @test isempty(words) && occursin("was built by another Julia than 1.10.6", said)
        words, said = start("no & image"; image=false)
        @test isempty(words) && occursin("no & image\\Image.dll\" is gone", said)
    end
end
