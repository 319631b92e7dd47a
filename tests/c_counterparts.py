"""libspf2 and libopendmarc through ctypes, a process of its own, since a C
library may fall over:

    c_counterparts.py spf | dmarc

reads one JSON object and writes the list of results. Without the library the
exit status is 77.
"""
import ctypes
import json
import sys

SPF_RESULTS = ["invalid", "neutral", "pass", "fail", "softfail", "none",
               "temperror", "permerror"]
TYPES = {"A": 1, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
NO_DATA = 4
POLICIES = {14: "none", 15: "pass", 16: "reject", 17: "quarantine",
            18: "none"}
ALIGNED = 4
PUBLIC_SUFFIXES = "/usr/share/publicsuffix/public_suffix_list.dat"


class LibraryStart(ctypes.Structure):
    """OPENDMARC_LIB_T."""
    _fields_ = [("tld_type", ctypes.c_int),
                ("tld_source_file", ctypes.c_char * 4096),
                ("nscount", ctypes.c_int),
                ("nsaddr_list", ctypes.c_char * (16 * 3))]


def library(name):
    try:
        lib = ctypes.CDLL(name)
    except OSError:
        sys.exit(77)
    return lib


def pointer(function, *arguments):
    function.restype = ctypes.c_void_p
    return ctypes.c_void_p(function(*arguments))


def spf(question):
    lib = library("libspf2.so.2")
    zone = pointer(lib.SPF_dns_zone_new, None, b"zone", 0)
    types = {}
    for name, kind, value in question["records"]:
        lib.SPF_dns_zone_add_str(zone, name.encode(), TYPES[kind], 0,
                                 value.encode())
        types.setdefault(name, set()).add(kind)
    for name, has in types.items():
        for kind in set(TYPES) - has:
            lib.SPF_dns_zone_add_str(zone, name.encode(), TYPES[kind],
                                     NO_DATA, b"")
    server = pointer(lib.SPF_server_new_dns, zone, 0)
    lib.SPF_server_set_rec_dom(server, b"receiver.example.org")
    return [spf_check(lib, server, *check) for check in question["checks"]]


def spf_check(lib, server, client, helo, sender):
    request = pointer(lib.SPF_request_new, server)
    set_address = (lib.SPF_request_set_ipv6_str if ":" in client
                   else lib.SPF_request_set_ipv4_str)
    set_address(request, client.encode())
    lib.SPF_request_set_helo_dom(request, helo.encode())
    lib.SPF_request_set_env_from(request, sender.encode())
    response = ctypes.c_void_p()
    lib.SPF_request_query_mailfrom(request, ctypes.byref(response))
    result = SPF_RESULTS[lib.SPF_response_result(response)]
    lib.SPF_response_free(response)
    lib.SPF_request_free(request)
    return result


def dmarc(question):
    lib = library("libopendmarc.so.2")
    start = LibraryStart(tld_type=1, tld_source_file=PUBLIC_SUFFIXES.encode())
    lib.opendmarc_policy_library_init(ctypes.byref(start))
    return [dmarc_check(lib, *check) for check in question["checks"]]


def dmarc_check(lib, author, spf_domain, dkim_domains, record, organization):
    """[policy to enforce, SPF is aligned, DKIM is aligned]"""
    context = pointer(lib.opendmarc_policy_connect_init, b"192.0.2.1", 4)
    lib.opendmarc_policy_store_from_domain(context, author.encode())
    if spf_domain:
        lib.opendmarc_policy_store_spf(context, spf_domain.encode(), 1, 1, b"")
    for domain in dkim_domains:
        lib.opendmarc_policy_store_dkim(context, domain.encode(), b"s", 1, b"")
    stored = lib.opendmarc_policy_store_dmarc(
        context, record.encode(), author.encode(),
        None if organization == author else organization.encode())
    answer = ["malformed", False, False]
    if stored == 0:
        dkim, spf_ = ctypes.c_int(), ctypes.c_int()
        policy = lib.opendmarc_get_policy_to_enforce(context)
        lib.opendmarc_policy_fetch_alignment(
            context, ctypes.byref(dkim), ctypes.byref(spf_))
        answer = [POLICIES.get(policy, str(policy)), spf_.value == ALIGNED,
                  dkim.value == ALIGNED]
    lib.opendmarc_policy_connect_shutdown(context)
    return answer


if __name__ == "__main__":
    json.dump({"spf": spf, "dmarc": dmarc}[sys.argv[1]](
        json.load(sys.stdin)), sys.stdout)
