# Writes OUTPUT, a source file that carries every file of config/, rules/ and templates/ below ROOT (see cli/embedded.h).
# Called at build time: cmake -DROOT=… -DOUTPUT=… -P embed.cmake
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/config/* ${ROOT}/rules/* ${ROOT}/templates/*)
list(SORT files)
set(symbols "")
set(entries "")
set(number 0)
foreach(file ${files})
  string(APPEND symbols "__asm__(\".section .rodata\\nembedded_${number}:\\n.incbin \\\"${ROOT}/${file}\\\"\\n"
    "embedded_${number}_end:\\n.byte 0\\n.global embedded_${number}\\n.global embedded_${number}_end\\n.text\\n\");\n"
    "extern \"C\" const char embedded_${number}[];\nextern \"C\" const char embedded_${number}_end[];\n")
  string(APPEND entries "      {\"${file}\", {embedded_${number}, static_cast<std::size_t>(embedded_${number}_end - embedded_${number})}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Made by cmake/embed.cmake.\n#include \"cli/embedded.h\"\n\n${symbols}\nnamespace segue {\n\n"
  "std::span<const EmbeddedFile> EmbeddedFiles() {\n  static const EmbeddedFile kFiles[] = {\n${entries}  };\n"
  "  return kFiles;\n}\n\n}  // namespace segue\n")
