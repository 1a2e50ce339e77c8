// An RSA key that is used nowhere but in tests.

#pragma once

#include <string_view>

namespace segue {

inline constexpr std::string_view kTestRsaKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCrACKGbi9izNa1\n"
    "5e1dB8YdwK1P5WUQv61RU8VxQciuWPKwZIRajadjzcUdX31Rk3xiYh5e0XJOlwzQ\n"
    "6etXRuDXd6NtEs88BmSH5sa9PbInZ9awnZU5I6p5GhUR3bu1JsWju49Ds/tSSbl4\n"
    "r6pWXV7QU1jPMhPJDXWzOdiImu+Vi+v29C/kV1fK+YEdYNaIP0WNQcOv4nh5NCsg\n"
    "bmk+dzQYNLjpNPM3EpAHAB/rUaYlYvh6HkHUlOnsc8t8QdhDy97xTbH1ClJ3mktK\n"
    "QEE6DeL6PdhdePMMqzf7marpMi+l7x+ux5l+vMf2I0H56RNQh6uv8Um6buuekS+v\n"
    "L4ZXpulfAgMBAAECgf9k8LIp1CJgmjhPxY2L13qVzrzBCCL6cQ/8JbBOtaRRBTCJ\n"
    "gnUsD1GR1x6yke+bl0BKcQ3j6r8EF6jd1SGRcRG6t5BA5as990wqKMaKJXbxkABZ\n"
    "mGqAeRKzM2NM9NVY+8NSWJNna9maq+Toga5J1Q/vKve2vo9BDCYPBVqN7Dk6NbDS\n"
    "/3Ls5rtQYE9HPJFVLlgC0yCwlBzgj7kDMKue4foXzQcko5apOLWCTdwjHLIUtVDZ\n"
    "wUt+1W/36nJs8WKdekTWjFDKeAVsm0wJmONXn05AAg2ac2dzF02D/howZUmuBaiB\n"
    "VZPUXPJBrZvtUMKLtGUB5962APap8B9mz264svkCgYEA1QP0cct1+MN6qnBaDDf2\n"
    "s18wlScohnQ4rIntUtO+n0FnumP4qrcBMcZ+jjb3K3QZJOfbPBd9KIDC45uZZO19\n"
    "huP1h91Vcf6PjK2uhkIP2+ghGYNPtGYqyxRyAjmptTcLYYo8QJS3AsKJdS6x0Krb\n"
    "BP4fJ4VO9ggTWErkrh/6RZcCgYEAzYHBOxB7ze5sretNu5k1/3H+h0j55Zr0BsMF\n"
    "i2knO3lWZ3LAK8USIQUQ3dHrrQ+dfxyIBAjkExs4UiaSK/ZkWMdjJlQVnKhZV2QI\n"
    "o2iX2Hdi3AVoJXZkQyVe1xvLLiCL31jEJ/7nBr4V+09oV2i/nwS3lDIz9NE/Uy9i\n"
    "wJK2w3kCgYAr08B7mU0QfcfDQZKFaQ5NIYyxY3knEMqIVWiK3h4eTiq1YtRK65RH\n"
    "VXu8bvqz6hMyULH+zyZlKvjuM5l/9o0ZL9XYumVWKvYGD8YUwYrZyAznXukLSOoN\n"
    "FovOgWa1bjndO7/h2bc9ziDSB2V2dXDSuiZWz0rLvCWeyOn8GYA4yQKBgQCT+1OB\n"
    "jKUZ7Q4lTsNyyyivAQ8fq9UHGUWPeO+NK/MsSHuHkoH/ArHDRTqYAImM3Sm0Vn87\n"
    "KIvTlk5AGbY4IfywUSN8fh/x5uguncH6qV5uacmuVdZg45ffIhHhJApy9MzDz8+w\n"
    "XUVO/aImjU+9YZhakbL/7Aaty9+lrwGVWhBxQQKBgQDLJdxqrLVVCPGVkKVPw1Ab\n"
    "YbPCF7LAQVVN8KY+kYQi8LzfnhNmejS6nTDu+qmXdQamYtsu3w0z2CC6eI+RdTMV\n"
    "q71Iw/Z95ks+OtTo2TPCvqTivTDP0Ar0AGH2FknvewTAZwSuV/WvEIo6cZYQQFPn\n"
    "UAPEw8Uvw4t369WA2dyesw==\n"
    "-----END PRIVATE KEY-----\n";

// Of the text "segue" by that key: openssl dgst -sha256 -sign, then base64.
inline constexpr std::string_view kTestRsaSignature =
    "g5xQPlcxi/yeM+2ljiNxIWdASZZ0N95KLfwBlTIMJxBYeT2ERVK72EBLbtBEsJNQpMPhb53Kd8K1NCo4"
    "yuYEEdFueQE2Du0M5m7ahOOVX/wfXWk35mmpyB5XIPC5pmKGmmObhlPsGCrheb7rZyOBemgyTIPvdX38"
    "wAkSRclPSQ3vxkBVBewx2c/Z7/JILa8IMEpdixV5A2x+bqhN531KKS4enOFK16sGL5xim6Z03V7g0EYO"
    "zRzEokjOG9BSYH1dFLEXpscZaqhlBmbzJAj4vN13C+8WhugmcVPQsaNK13SD7f+k+d6lijGNf8rciWiK"
    "UZYXbuYiXW8nHjTXO9DmqQ==";

}  // namespace segue
