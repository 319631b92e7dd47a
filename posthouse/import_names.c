/* SPDX-License-Identifier: ISC */
/*
 * What is known of the parameters of Postfix 3.7 (postconf(5)): all of them,
 * each once. Those that become something stand in import_names, with the
 * default that they have in Postfix; the others in import_groups, together
 * with those of the same answer.
 */
#include <stdio.h>
#include <string.h>

#include "conf/registry.h"
#include "posthouse/import.h"

const char *const import_verdict_names[] = {"same", "translated", "built in",
    "default differs", "macro", "ignored", "unsupported", "unknown", NULL};

/* clang-format off */
const struct import_name import_names[] = {
	{"alias_maps", IMPORT_TRANSLATED, IMPORT_ALIASES,
	    NULL, "hash:/etc/aliases, nis:mail.aliases", NULL},
	{"always_add_missing_headers", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "no", NULL},
	{"anvil_rate_time_unit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "60s", NULL},
	{"authorized_flush_users", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "static:anyone", NULL},
	{"authorized_mailq_users", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "static:anyone", NULL},
	{"authorized_submit_users", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "static:anyone", NULL},
	{"authorized_verp_clients", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "smtpd_authorized_verp_clients", NULL,
	    "its former name"},
	{"bounce_queue_lifetime", IMPORT_SAME, IMPORT_DAYS,
	    NULL, "5d", NULL},
	{"bounce_size_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "50000", NULL},
	{"debug_peer_list", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"default_destination_concurrency_failed_cohort_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1", NULL},
	{"default_destination_concurrency_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "20", NULL},
	{"default_destination_recipient_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "50", NULL},
	{"default_process_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "100", NULL},
	{"default_transport", IMPORT_SAME, IMPORT_TRANSPORT,
	    NULL, "smtp", NULL},
	{"delay_warning_time", IMPORT_SAME, IMPORT_HOURS,
	    NULL, "0h", NULL},
	{"disable_vrfy_command", IMPORT_BUILT_IN, IMPORT_YES,
	    NULL, "no",
	    "VRFY tells nobody who exists"},
	{"fallback_relay", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "smtp_fallback_relay", NULL,
	    "its former name"},
	{"header_size_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "102400", NULL},
	{"hopcount_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "50", NULL},
	{"in_flow_delay", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1s", NULL},
	{"inet_interfaces", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "all", NULL},
	{"inet_protocols", IMPORT_TRANSLATED, IMPORT_PROTOCOL_FAMILY,
	    NULL, "all", NULL},
	{"initial_destination_concurrency", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "5", NULL},
	{"ipc_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "3600s", NULL},
	{"line_length_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "2048", NULL},
	{"lmtp_cache_connection", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "lmtp_connection_cache_on_demand", NULL,
	    "its former name"},
	{"lmtp_tcp_port", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "24", NULL},
	{"local_recipient_maps", IMPORT_SAME, IMPORT_RECIPIENTS,
	    NULL, "proxy:unix:passwd.byname $alias_maps", NULL},
	{"local_transport", IMPORT_SAME, IMPORT_TRANSPORT,
	    NULL, "local:$myhostname", NULL},
	{"mailbox_size_limit", IMPORT_TRANSLATED, IMPORT_QUOTA,
	    NULL, "51200000", NULL},
	{"maillog_file", IMPORT_SAME, IMPORT_LOG,
	    NULL, "", NULL},
	{"max_idle", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "100s", NULL},
	{"max_use", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "100", NULL},
	{"maximal_backoff_time", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "4000s", NULL},
	{"maximal_queue_lifetime", IMPORT_SAME, IMPORT_DAYS,
	    NULL, "5d", NULL},
	{"message_size_limit", IMPORT_SAME, IMPORT_SIZE_LIMIT,
	    NULL, "10240000", NULL},
	{"minimal_backoff_time", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "300s", NULL},
	{"mydestination", IMPORT_TRANSLATED, IMPORT_DOMAINS,
	    NULL, "$myhostname, localhost.$mydomain, localhost", NULL},
	{"mydomain", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "localdomain", NULL},
	{"myhostname", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "vm.localdomain", NULL},
	{"mynetworks", IMPORT_SAME, IMPORT_NETWORKS,
	    NULL, "127.0.0.0/8 192.0.2.0/24 [::1]/128 [fd00::]/64 [fe80::]/64", NULL},
	{"mynetworks_style", IMPORT_TRANSLATED, IMPORT_NETWORKS_STYLE,
	    NULL, "${{$compatibility_level} <level {2} ? {subnet} : {host}}", NULL},
	{"myorigin", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "$myhostname", NULL},
	{"postscreen_access_list", IMPORT_SAME, IMPORT_ACCESS,
	    NULL, "permit_mynetworks", NULL},
	{"postscreen_bare_newline_action", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "ignore", NULL},
	{"postscreen_blacklist_action", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "postscreen_denylist_action", NULL,
	    "its former name"},
	{"postscreen_client_connection_count_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "$smtpd_client_connection_count_limit", NULL},
	{"postscreen_command_count_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "20", NULL},
	{"postscreen_command_time_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "${stress?{10}:{300}}s", NULL},
	{"postscreen_denylist_action", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "ignore", NULL},
	{"postscreen_dnsbl_action", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "ignore", NULL},
	{"postscreen_dnsbl_allowlist_threshold", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "0", NULL},
	{"postscreen_dnsbl_max_ttl", IMPORT_SAME, IMPORT_HOURS,
	    NULL, "1h", NULL},
	{"postscreen_dnsbl_min_ttl", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "60s", NULL},
	{"postscreen_dnsbl_sites", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"postscreen_dnsbl_threshold", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1", NULL},
	{"postscreen_dnsbl_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "10s", NULL},
	{"postscreen_dnsbl_ttl", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "postscreen_dnsbl_max_ttl", NULL,
	    "its former name"},
	{"postscreen_dnsbl_whitelist_threshold", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "postscreen_dnsbl_allowlist_threshold", NULL,
	    "its former name"},
	{"postscreen_greet_action", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "ignore", NULL},
	{"postscreen_greet_banner", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "$smtpd_banner", NULL},
	{"postscreen_greet_ttl", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1d", NULL},
	{"postscreen_greet_wait", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "${stress?{2}:{6}}s", NULL},
	{"postscreen_non_smtp_command_action", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "drop", NULL},
	{"postscreen_pipelining_action", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "enforce", NULL},
	{"postscreen_post_queue_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "$default_process_limit", NULL},
	{"postscreen_pre_queue_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "$default_process_limit", NULL},
	{"postscreen_upstream_proxy_protocol", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"postscreen_upstream_proxy_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "5s", NULL},
	{"postscreen_whitelist_interfaces", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "postscreen_allowlist_interfaces", NULL,
	    "its former name"},
	{"propagate_unmatched_extensions", IMPORT_SAME, IMPORT_EXTENSIONS,
	    NULL, "canonical, virtual", NULL},
	{"qmgr_daemon_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1000s", NULL},
	{"qmgr_message_active_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "20000", NULL},
	{"queue_minfree", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "0", NULL},
	{"recipient_canonical_classes", IMPORT_UNSUPPORTED,
	    IMPORT_SENDER_CLASSES, NULL,
	    "envelope_recipient header_recipient", NULL},
	{"recipient_canonical_maps", IMPORT_UNSUPPORTED, IMPORT_SENDERS,
	    NULL, "", NULL},
	{"recipient_delimiter", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"relay_domains", IMPORT_TRANSLATED, IMPORT_DOMAINS,
	    NULL, "${{$compatibility_level} <level {2} ? {$mydestination} : {}}", NULL},
	{"relay_recipient_maps", IMPORT_SAME, IMPORT_MAPS,
	    NULL, "", NULL},
	{"relay_transport", IMPORT_SAME, IMPORT_TRANSPORT,
	    NULL, "relay", NULL},
	{"relayhost", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"sender_canonical_classes", IMPORT_UNSUPPORTED,
	    IMPORT_SENDER_CLASSES, NULL,
	    "envelope_sender header_sender", NULL},
	{"sender_canonical_maps", IMPORT_UNSUPPORTED, IMPORT_SENDERS,
	    NULL, "", NULL},
	{"service_throttle_time", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "60s", NULL},
	{"smtp_address_preference", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "any", NULL},
	{"smtp_connect_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "30s", NULL},
	{"smtp_connection_cache_reuse_limit", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "smtp_connection_reuse_count_limit", NULL,
	    "its former name"},
	{"smtp_connection_cache_time_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "2s", NULL},
	{"smtp_connection_reuse_count_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "0", NULL},
	{"smtp_connection_reuse_time_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "300s", NULL},
	{"smtp_data_done_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "600s", NULL},
	{"smtp_data_init_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "120s", NULL},
	{"smtp_data_xfer_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "180s", NULL},
	{"smtp_enforce_tls", IMPORT_TRANSLATED, IMPORT_USE_TLS,
	    NULL, "no", NULL},
	{"smtp_helo_name", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "$myhostname", NULL},
	{"smtp_helo_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "300s", NULL},
	{"smtp_mail_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "300s", NULL},
	{"smtp_mx_address_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "5", NULL},
	{"smtp_mx_session_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "2", NULL},
	{"smtp_rcpt_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "300s", NULL},
	{"smtp_starttls_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "300s", NULL},
	{"smtp_tcp_port", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "smtp", NULL},
	{"smtp_tls_CAfile", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"smtp_tls_mandatory_protocols", IMPORT_TRANSLATED, IMPORT_PROTOCOLS,
	    NULL, ">=TLSv1", NULL},
	{"smtp_tls_protocols", IMPORT_SAME, IMPORT_PROTOCOLS,
	    NULL, ">=TLSv1", NULL},
	{"smtp_tls_security_level", IMPORT_SAME, IMPORT_TLS_LEVEL,
	    NULL, "", NULL},
	{"smtp_use_tls", IMPORT_TRANSLATED, IMPORT_USE_TLS,
	    NULL, "no", NULL},
	{"smtpd_client_connection_count_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "50", NULL},
	{"smtpd_client_connection_limit_exceptions", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "smtpd_client_event_limit_exceptions", NULL,
	    "its former name"},
	{"smtpd_client_connection_rate_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "0", NULL},
	{"smtpd_client_event_limit_exceptions", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "$mynetworks", NULL},
	{"smtpd_client_restrictions", IMPORT_TRANSLATED, IMPORT_RESTRICTIONS,
	    NULL, NULL, NULL},
	{"smtpd_data_restrictions", IMPORT_TRANSLATED, IMPORT_RESTRICTIONS,
	    NULL, NULL, NULL},
	{"smtpd_delay_reject", IMPORT_BUILT_IN, IMPORT_YES,
	    NULL, "yes",
	    "a client is refused at RCPT, so that sender and recipient are logged"},
	{"smtpd_discard_ehlo_keywords", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"smtpd_end_of_data_restrictions", IMPORT_TRANSLATED, IMPORT_RESTRICTIONS,
	    NULL, NULL, NULL},
	{"smtpd_enforce_tls", IMPORT_TRANSLATED, IMPORT_USE_TLS,
	    NULL, "no", NULL},
	{"smtpd_error_sleep_time", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1s", NULL},
	{"smtpd_etrn_restrictions", IMPORT_TRANSLATED, IMPORT_RESTRICTIONS,
	    NULL, NULL, NULL},
	{"smtpd_forbid_bare_newline", IMPORT_SAME, IMPORT_BARE,
	    NULL, "no", NULL},
	{"smtpd_forbidden_commands", IMPORT_SAME, IMPORT_FORBIDDEN,
	    NULL, "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}", NULL},
	{"smtpd_hard_error_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "${stress?{1}:{20}}", NULL},
	{"smtpd_helo_required", IMPORT_BUILT_IN, IMPORT_YES,
	    NULL, "no",
	    "MAIL without HELO or EHLO is refused with 503"},
	{"smtpd_helo_restrictions", IMPORT_TRANSLATED, IMPORT_RESTRICTIONS,
	    NULL, NULL, NULL},
	{"smtpd_junk_command_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "${stress?{1}:{100}}", NULL},
	{"smtpd_min_data_rate", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "500", NULL},
	{"smtpd_peername_lookup", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "yes", NULL},
	{"smtpd_recipient_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1000", NULL},
	{"smtpd_recipient_restrictions", IMPORT_TRANSLATED, IMPORT_RESTRICTIONS,
	    NULL, NULL, NULL},
	{"smtpd_reject_unlisted_recipient", IMPORT_BUILT_IN, IMPORT_YES,
	    NULL, "yes",
	    "unknown recipients are refused with 550 5.1.1"},
	{"smtpd_relay_restrictions", IMPORT_TRANSLATED, IMPORT_RESTRICTIONS,
	    NULL, "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, "
	    "permit_sasl_authenticated, defer_unauth_destination}}", NULL},
	{"smtpd_restriction_classes", IMPORT_TRANSLATED, IMPORT_CLASSES,
	    NULL, NULL, NULL},
	{"smtpd_sasl_auth_enable", IMPORT_BUILT_IN, IMPORT_AS_IT_IS,
	    NULL, NULL,
	    "submission always offers AUTH, port 25 never does"},
	{"smtpd_sasl_authenticated_header", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "no", NULL},
	{"smtpd_sasl_local_domain", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "auth_default_domain", NULL,
	    "the domain added to logins without one"},
	{"smtpd_sender_login_maps", IMPORT_SAME, IMPORT_MAPS,
	    NULL, "", NULL},
	{"smtpd_sender_restrictions", IMPORT_TRANSLATED, IMPORT_RESTRICTIONS,
	    NULL, NULL, NULL},
	{"smtpd_soft_error_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "10", NULL},
	{"smtpd_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "${stress?{10}:{300}}s", NULL},
	{"smtpd_tls_auth_only", IMPORT_BUILT_IN, IMPORT_YES,
	    NULL, "no",
	    "passwords are taken under TLS alone"},
	{"smtpd_tls_cert_file", IMPORT_TRANSLATED, IMPORT_CERT,
	    NULL, NULL, NULL},
	{"smtpd_tls_chain_files", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"smtpd_tls_eccert_file", IMPORT_TRANSLATED, IMPORT_CERT,
	    NULL, NULL, NULL},
	{"smtpd_tls_eckey_file", IMPORT_TRANSLATED, IMPORT_CERT,
	    NULL, "$smtpd_tls_eccert_file", NULL},
	{"smtpd_tls_key_file", IMPORT_TRANSLATED, IMPORT_CERT,
	    NULL, "$smtpd_tls_cert_file", NULL},
	{"smtpd_tls_mandatory_protocols", IMPORT_TRANSLATED, IMPORT_PROTOCOLS,
	    NULL, ">=TLSv1", NULL},
	{"smtpd_tls_protocols", IMPORT_SAME, IMPORT_PROTOCOLS,
	    NULL, ">=TLSv1", NULL},
	{"smtpd_tls_security_level", IMPORT_SAME, IMPORT_TLS_LEVEL,
	    NULL, "", NULL},
	{"smtpd_tls_wrappermode", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "no", NULL},
	{"smtpd_upstream_proxy_protocol", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"smtpd_upstream_proxy_timeout", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "5s", NULL},
	{"smtpd_use_tls", IMPORT_TRANSLATED, IMPORT_USE_TLS,
	    NULL, "no", NULL},
	{"stress", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "", NULL},
	{"tlsproxy_client_level", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "tlsproxy_client_security_level", NULL,
	    "its former name"},
	{"tlsproxy_client_policy", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "tlsproxy_client_policy_maps", NULL,
	    "its former name"},
	{"transport_maps", IMPORT_SAME, IMPORT_TRANSPORTS,
	    NULL, "", NULL},
	{"verp_delimiters", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "default_verp_delimiters", NULL,
	    "its former name"},
	{"virtual_alias_domains", IMPORT_TRANSLATED, IMPORT_DOMAINS,
	    NULL, "$virtual_alias_maps", NULL},
	{"virtual_alias_expansion_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1000", NULL},
	{"virtual_alias_maps", IMPORT_SAME, IMPORT_MAPS,
	    NULL, "$virtual_maps", NULL},
	{"virtual_alias_recursion_limit", IMPORT_SAME, IMPORT_AS_IT_IS,
	    NULL, "1000", NULL},
	{"virtual_mailbox_domains", IMPORT_TRANSLATED, IMPORT_DOMAINS,
	    NULL, "$virtual_mailbox_maps", NULL},
	{"virtual_mailbox_maps", IMPORT_SAME, IMPORT_USERS,
	    NULL, "", NULL},
	{"virtual_maps", IMPORT_TRANSLATED, IMPORT_AS_IT_IS,
	    "virtual_alias_maps", NULL,
	    "its former name"},
	{"virtual_transport", IMPORT_SAME, IMPORT_TRANSPORT,
	    NULL, "virtual", NULL},
	{NULL, IMPORT_SAME, IMPORT_AS_IT_IS, NULL, NULL, NULL},
};

const struct import_group import_groups[] = {
	{IMPORT_IGNORED,
	    "it is about Postfix's own processes and files",
	    "alternate_config_directories anvil_status_update_time "
	    "application_event_drain_time backwards_bounce_logfile_compatibility "
	    "berkeley_db_create_buffer_size berkeley_db_read_buffer_size "
	    "bounce_service_name cleanup_service_name compatibility_level "
	    "config_directory connection_cache_protocol_timeout "
	    "connection_cache_service_name connection_cache_status_update_time "
	    "connection_cache_ttl_limit daemon_directory "
	    "daemon_table_open_error_is_fatal daemon_timeout data_directory "
	    "debugger_command default_database_type defer_service_name "
	    "delay_logging_resolution_limit deliver_lock_attempts "
	    "deliver_lock_delay destination_concurrency_feedback_debug "
	    "dns_ncache_ttl_fix_enable dnsblog_reply_delay dnsblog_service_name "
	    "dnssec_probe dont_remove duplicate_filter_limit "
	    "enable_idna2003_compatibility enable_long_queue_ids "
	    "error_service_name fast_flush_domains fast_flush_purge_time "
	    "fast_flush_refresh_time fault_injection_code flush_service_name "
	    "fork_attempts fork_delay hash_queue_depth hash_queue_names "
	    "header_address_token_limit html_directory info_log_address_format "
	    "ipc_idle ipc_ttl known_tcp_ports lmdb_map_size mail_name mail_owner "
	    "mail_release_date mail_version maillog_file_compressor "
	    "maillog_file_prefixes maillog_file_rotate_suffix mailq_path "
	    "manpage_directory master_service_disable meta_directory "
	    "mime_boundary_length_limit mime_nesting_limit "
	    "multi_instance_directories multi_instance_enable "
	    "multi_instance_group multi_instance_name multi_instance_wrapper "
	    "newaliases_path openssl_path pickup_service_name "
	    "postlog_service_name postlogd_watchdog_timeout "
	    "postmulti_control_commands postmulti_start_commands "
	    "postmulti_stop_commands process_id process_id_directory process_name "
	    "proxy_write_maps proxymap_service_name proxywrite_service_name "
	    "qmgr_clog_warn_time qmgr_fudge_factor qmgr_ipc_timeout "
	    "qmgr_message_recipient_limit qmgr_message_recipient_minimum "
	    "qmqpd_authorized_clients qmqpd_client_port_logging qmqpd_error_delay "
	    "qmqpd_timeout queue_directory queue_file_attribute_count_limit "
	    "queue_run_delay queue_service_name readme_directory "
	    "respectful_logging rewrite_service_name sample_directory "
	    "sendmail_fix_line_endings sendmail_path service_name setgid_group "
	    "shlib_directory showq_service_name smtputf8_autodetect_classes "
	    "stale_lock_time syslog_facility syslog_name tcp_windowsize "
	    "trace_service_name transport_retry_time trigger_timeout"},
	{IMPORT_IGNORED,
	    "screen passes the connection on before STARTTLS",
	    "postscreen_enforce_tls postscreen_tls_security_level "
	    "postscreen_use_tls tlsproxy_client_CAfile tlsproxy_client_CApath "
	    "tlsproxy_client_cert_file tlsproxy_client_chain_files "
	    "tlsproxy_client_dcert_file tlsproxy_client_dkey_file "
	    "tlsproxy_client_eccert_file tlsproxy_client_eckey_file "
	    "tlsproxy_client_enforce_tls tlsproxy_client_fingerprint_digest "
	    "tlsproxy_client_key_file tlsproxy_client_loglevel "
	    "tlsproxy_client_loglevel_parameter tlsproxy_client_per_site "
	    "tlsproxy_client_policy_maps tlsproxy_client_scert_verifydepth "
	    "tlsproxy_client_security_level tlsproxy_client_use_tls "
	    "tlsproxy_enforce_tls tlsproxy_service_name tlsproxy_tls_CAfile "
	    "tlsproxy_tls_CApath tlsproxy_tls_always_issue_session_ids "
	    "tlsproxy_tls_ask_ccert tlsproxy_tls_ccert_verifydepth "
	    "tlsproxy_tls_cert_file tlsproxy_tls_chain_files tlsproxy_tls_ciphers "
	    "tlsproxy_tls_dcert_file tlsproxy_tls_dh1024_param_file "
	    "tlsproxy_tls_dh512_param_file tlsproxy_tls_dkey_file "
	    "tlsproxy_tls_eccert_file tlsproxy_tls_eckey_file "
	    "tlsproxy_tls_eecdh_grade tlsproxy_tls_exclude_ciphers "
	    "tlsproxy_tls_fingerprint_digest tlsproxy_tls_key_file "
	    "tlsproxy_tls_loglevel tlsproxy_tls_mandatory_ciphers "
	    "tlsproxy_tls_mandatory_exclude_ciphers "
	    "tlsproxy_tls_mandatory_protocols tlsproxy_tls_protocols "
	    "tlsproxy_tls_req_ccert tlsproxy_tls_security_level tlsproxy_use_tls "
	    "tlsproxy_watchdog_timeout"},
	{IMPORT_IGNORED,
	    "the ciphers are OpenSSL's of the chosen *_tls_protocols",
	    "lmtp_tls_ciphers lmtp_tls_exclude_ciphers lmtp_tls_mandatory_ciphers "
	    "lmtp_tls_mandatory_exclude_ciphers smtp_tls_ciphers "
	    "smtp_tls_exclude_ciphers smtp_tls_mandatory_ciphers "
	    "smtp_tls_mandatory_exclude_ciphers smtpd_tls_ciphers "
	    "smtpd_tls_exclude_ciphers smtpd_tls_mandatory_ciphers "
	    "smtpd_tls_mandatory_exclude_ciphers tls_append_default_CA "
	    "tls_config_file tls_config_name tls_dane_digests "
	    "tls_disable_workarounds tls_eecdh_auto_curves tls_eecdh_strong_curve "
	    "tls_eecdh_ultra_curve tls_export_cipherlist tls_fast_shutdown_enable "
	    "tls_high_cipherlist tls_legacy_public_key_fingerprints "
	    "tls_low_cipherlist tls_medium_cipherlist tls_null_cipherlist "
	    "tls_preempt_cipherlist tls_session_ticket_cipher tls_ssl_options "
	    "tls_wildcard_matches_multiple_labels"},
	{IMPORT_IGNORED,
	    "it is decided here; main.cf(5) has what can be chosen",
	    "allow_untrusted_routing bounce_template_file "
	    "cleanup_replace_stray_cr_lf confirm_delay_cleared "
	    "detect_8bit_encoding_header disable_mime_input_processing "
	    "disable_mime_output_conversion double_bounce_sender "
	    "empty_address_local_login_sender_maps_lookup_key "
	    "empty_address_recipient enable_original_recipient "
	    "enable_threaded_bounces header_from_format local_login_sender_maps "
	    "message_drop_headers message_reject_characters "
	    "message_strip_characters resolve_dequoted_address "
	    "resolve_null_domain resolve_numeric_domain smtputf8_enable "
	    "strict_7bit_headers strict_8bitmime strict_8bitmime_body "
	    "strict_mime_encoding_domain strict_rfc821_envelopes strict_smtputf8 "
	    "undisclosed_recipients_header"},
	{IMPORT_IGNORED,
	    "smtp does what RFC 5321 says without being told",
	    "ignore_mx_lookup_error smtp_address_verify_target "
	    "smtp_always_send_ehlo smtp_balance_inet_protocols "
	    "smtp_cname_overrides_servername smtp_connection_cache_destinations "
	    "smtp_connection_cache_on_demand smtp_defer_if_no_mx_address_found "
	    "smtp_discard_ehlo_keyword_address_maps smtp_discard_ehlo_keywords "
	    "smtp_dns_resolver_options smtp_dns_support_level "
	    "smtp_line_length_limit smtp_min_data_rate smtp_never_send_ehlo "
	    "smtp_per_request_deadline smtp_pix_workaround_delay_time "
	    "smtp_pix_workaround_maps smtp_pix_workaround_threshold_time "
	    "smtp_pix_workarounds smtp_quit_timeout smtp_quote_rfc821_envelope "
	    "smtp_randomize_addresses smtp_rset_timeout smtp_skip_5xx_greeting "
	    "smtp_skip_quit_response"},
	{IMPORT_IGNORED,
	    "replies have the code that RFC 5321 gives them",
	    "access_map_defer_code access_map_reject_code default_rbl_reply "
	    "defer_code helpful_warnings invalid_hostname_reject_code "
	    "maps_rbl_domains maps_rbl_reject_code "
	    "multi_recipient_bounce_reject_code non_fqdn_reject_code "
	    "plaintext_reject_code rbl_reply_maps reject_code "
	    "reject_tempfail_action relay_domains_reject_code "
	    "show_user_unknown_table_name unknown_address_reject_code "
	    "unknown_address_tempfail_action unknown_client_reject_code "
	    "unknown_helo_hostname_tempfail_action unknown_hostname_reject_code "
	    "unknown_local_recipient_reject_code "
	    "unknown_relay_recipient_reject_code "
	    "unknown_virtual_alias_reject_code "
	    "unknown_virtual_mailbox_reject_code"},
	{IMPORT_IGNORED,
	    "TLS looks after that itself",
	    "lmtp_tls_block_early_mail_reply lmtp_tls_connection_reuse "
	    "lmtp_tls_fingerprint_digest lmtp_tls_loglevel "
	    "lmtp_tls_note_starttls_offer lmtp_tls_session_cache_database "
	    "lmtp_tls_session_cache_timeout smtp_tls_block_early_mail_reply "
	    "smtp_tls_connection_reuse smtp_tls_fingerprint_digest "
	    "smtp_tls_loglevel smtp_tls_note_starttls_offer "
	    "smtp_tls_session_cache_database smtp_tls_session_cache_timeout "
	    "smtpd_starttls_timeout smtpd_tls_always_issue_session_ids "
	    "smtpd_tls_dh1024_param_file smtpd_tls_dh512_param_file "
	    "smtpd_tls_eecdh_grade smtpd_tls_fingerprint_digest "
	    "smtpd_tls_loglevel smtpd_tls_received_header "
	    "smtpd_tls_session_cache_database smtpd_tls_session_cache_timeout"},
	{IMPORT_IGNORED,
	    "screen remembers clients in policyd and speaks no SMTP with who "
	    "passes",
	    "postscreen_allowlist_interfaces postscreen_bare_newline_enable "
	    "postscreen_bare_newline_ttl postscreen_cache_cleanup_interval "
	    "postscreen_cache_map postscreen_cache_retention_time "
	    "postscreen_command_filter postscreen_disable_vrfy_command "
	    "postscreen_discard_ehlo_keyword_address_maps "
	    "postscreen_discard_ehlo_keywords postscreen_expansion_filter "
	    "postscreen_forbidden_commands postscreen_helo_required "
	    "postscreen_non_smtp_command_enable postscreen_non_smtp_command_ttl "
	    "postscreen_pipelining_enable postscreen_pipelining_ttl "
	    "postscreen_reject_footer postscreen_reject_footer_maps "
	    "postscreen_watchdog_timeout"},
	{IMPORT_IGNORED,
	    "it has no counterpart that needs to be set",
	    "smtpd_client_port_logging smtpd_delay_open_until_valid_rcpt "
	    "smtpd_expansion_filter smtpd_forbid_bare_newline_exclusions "
	    "smtpd_forbid_bare_newline_reject_code smtpd_forbid_unauth_pipelining "
	    "smtpd_history_flush_threshold smtpd_log_access_permit_actions "
	    "smtpd_null_access_lookup_key smtpd_per_request_deadline "
	    "smtpd_recipient_overshoot_limit "
	    "smtpd_relay_before_recipient_restrictions smtpd_service_name"},
	{IMPORT_IGNORED,
	    "qmgr has its own way to share out its turns",
	    "default_delivery_slot_cost default_delivery_slot_discount "
	    "default_delivery_slot_loan "
	    "default_destination_concurrency_negative_feedback "
	    "default_destination_concurrency_positive_feedback "
	    "default_extra_recipient_limit default_minimum_delivery_slots "
	    "default_recipient_limit default_recipient_refill_delay "
	    "default_recipient_refill_limit"},
	{IMPORT_IGNORED,
	    "mailboxes are in one store, of one user; mail that is there already "
	    "is to be copied by IMAP",
	    "virtual_alias_address_length_limit virtual_delivery_status_filter "
	    "virtual_gid_maps virtual_mailbox_base virtual_mailbox_limit "
	    "virtual_mailbox_lock virtual_minimum_uid virtual_uid_maps"},
	{IMPORT_IGNORED,
	    "the kernel gives random numbers",
	    "tls_daemon_random_bytes tls_random_bytes tls_random_exchange_name "
	    "tls_random_prng_update_period tls_random_reseed_period "
	    "tls_random_source tlsmgr_service_name"},
	{IMPORT_IGNORED,
	    "headers are left as they came; addresses without a domain get "
	    "$myorigin",
	    "allow_percent_hack append_at_myorigin append_dot_mydomain "
	    "local_header_rewrite_clients remote_header_rewrite_domain "
	    "swap_bangpath"},
	{IMPORT_IGNORED,
	    "the protocol of debug_peer_list has one level",
	    "debug_peer_level"},
	{IMPORT_IGNORED,
	    "aliases are compiled by \"posthouse alias\" and newaliases",
	    "alias_database"},
	{IMPORT_IGNORED,
	    "lookup reads all tables of main.cf",
	    "proxy_read_maps"},
	{IMPORT_IGNORED,
	    "the greeting is \"$myhostname ESMTP $mail_name\"",
	    "smtpd_banner"},
	{IMPORT_UNSUPPORTED,
	    "there are no lmtp_ twins: the smtp_ parameter counts for LMTP too",
	    "lmtp_address_preference lmtp_address_verify_target lmtp_assume_final "
	    "lmtp_balance_inet_protocols lmtp_cname_overrides_servername "
	    "lmtp_connect_timeout lmtp_connection_cache_destinations "
	    "lmtp_connection_cache_on_demand lmtp_connection_cache_time_limit "
	    "lmtp_connection_reuse_count_limit lmtp_connection_reuse_time_limit "
	    "lmtp_data_done_timeout lmtp_data_init_timeout lmtp_data_xfer_timeout "
	    "lmtp_defer_if_no_mx_address_found lmtp_delivery_status_filter "
	    "lmtp_discard_lhlo_keyword_address_maps lmtp_discard_lhlo_keywords "
	    "lmtp_dns_reply_filter lmtp_dns_resolver_options "
	    "lmtp_dns_support_level lmtp_enforce_tls lmtp_host_lookup "
	    "lmtp_lhlo_name lmtp_lhlo_timeout lmtp_line_length_limit "
	    "lmtp_mail_timeout lmtp_min_data_rate lmtp_mx_address_limit "
	    "lmtp_mx_session_limit lmtp_per_request_deadline "
	    "lmtp_pix_workaround_delay_time lmtp_pix_workaround_maps "
	    "lmtp_pix_workaround_threshold_time lmtp_pix_workarounds "
	    "lmtp_quit_timeout lmtp_quote_rfc821_envelope "
	    "lmtp_randomize_addresses lmtp_rcpt_timeout lmtp_reply_filter "
	    "lmtp_rset_timeout lmtp_send_xforward_command lmtp_skip_5xx_greeting "
	    "lmtp_skip_quit_response lmtp_starttls_timeout lmtp_tls_CAfile "
	    "lmtp_tls_mandatory_protocols lmtp_tls_protocols "
	    "lmtp_tls_security_level lmtp_tls_wrappermode lmtp_use_tls "
	    "lmtp_xforward_timeout"},
	{IMPORT_UNSUPPORTED,
	    "local delivers into the mailbox store alone: no commands, files or "
	    ".forward",
	    "allow_mail_to_commands allow_mail_to_files allow_min_user biff "
	    "command_directory command_execution_directory "
	    "command_expansion_filter command_time_limit default_privs "
	    "execution_directory_expansion_filter expand_owner_alias "
	    "export_environment fallback_transport fallback_transport_maps "
	    "forward_expansion_filter forward_path frozen_delivered_to "
	    "home_mailbox import_environment internal_mail_filter_classes "
	    "local_command_shell luser_relay mail_spool_directory mailbox_command "
	    "mailbox_command_maps mailbox_delivery_lock mailbox_transport "
	    "mailbox_transport_maps owner_request_special "
	    "prepend_delivered_header require_home_directory reset_owner_alias "
	    "strict_mailbox_ownership sun_mailtool_compatibility"},
	{IMPORT_UNSUPPORTED,
	    "recipients are not probed: list them in relay_recipient_maps, or let "
	    "the next hop refuse",
	    "address_verify_cache_cleanup_interval "
	    "address_verify_default_transport address_verify_local_transport "
	    "address_verify_map address_verify_negative_cache "
	    "address_verify_negative_expire_time "
	    "address_verify_negative_refresh_time "
	    "address_verify_pending_request_limit address_verify_poll_count "
	    "address_verify_poll_delay address_verify_positive_expire_time "
	    "address_verify_positive_refresh_time address_verify_relay_transport "
	    "address_verify_relayhost address_verify_sender "
	    "address_verify_sender_dependent_default_transport_maps "
	    "address_verify_sender_dependent_relayhost_maps "
	    "address_verify_sender_ttl address_verify_service_name "
	    "address_verify_transport_maps address_verify_virtual_transport "
	    "unverified_recipient_defer_code unverified_recipient_reject_code "
	    "unverified_recipient_reject_reason "
	    "unverified_recipient_tempfail_action unverified_sender_defer_code "
	    "unverified_sender_reject_code unverified_sender_reject_reason "
	    "unverified_sender_tempfail_action"},
	{IMPORT_UNSUPPORTED,
	    "smtp does not log in at other servers yet: let the relay host take "
	    "mail by our address, or leave this Postfix between",
	    "lmtp_sasl_auth_cache_name lmtp_sasl_auth_cache_time "
	    "lmtp_sasl_auth_enable lmtp_sasl_auth_soft_bounce "
	    "lmtp_sasl_mechanism_filter lmtp_sasl_password_maps lmtp_sasl_path "
	    "lmtp_sasl_security_options lmtp_sasl_tls_security_options "
	    "lmtp_sasl_tls_verified_security_options lmtp_sasl_type "
	    "lmtp_send_dummy_mail_auth lmtp_sender_dependent_authentication "
	    "smtp_sasl_auth_cache_name smtp_sasl_auth_cache_time "
	    "smtp_sasl_auth_enable smtp_sasl_auth_soft_bounce "
	    "smtp_sasl_mechanism_filter smtp_sasl_password_maps smtp_sasl_path "
	    "smtp_sasl_security_options smtp_sasl_tls_security_options "
	    "smtp_sasl_tls_verified_security_options smtp_sasl_type "
	    "smtp_send_dummy_mail_auth smtp_sender_dependent_authentication"},
	{IMPORT_UNSUPPORTED,
	    "there is one smtp_tls_security_level for all destinations",
	    "lmtp_tls_enforce_peername lmtp_tls_fingerprint_cert_match "
	    "lmtp_tls_force_insecure_host_tlsa_lookup lmtp_tls_per_site "
	    "lmtp_tls_policy_maps lmtp_tls_scert_verifydepth "
	    "lmtp_tls_secure_cert_match lmtp_tls_servername "
	    "lmtp_tls_trust_anchor_file lmtp_tls_verify_cert_match "
	    "smtp_tls_dane_insecure_mx_policy smtp_tls_enforce_peername "
	    "smtp_tls_fingerprint_cert_match "
	    "smtp_tls_force_insecure_host_tlsa_lookup smtp_tls_per_site "
	    "smtp_tls_policy_maps smtp_tls_scert_verifydepth "
	    "smtp_tls_secure_cert_match smtp_tls_servername "
	    "smtp_tls_trust_anchor_file smtp_tls_verify_cert_match"},
	{IMPORT_UNSUPPORTED,
	    "there are no milters: filter before port 25 or behind a relay, until "
	    "the same is built in",
	    "milter_command_timeout milter_connect_macros milter_connect_timeout "
	    "milter_content_timeout milter_data_macros milter_default_action "
	    "milter_end_of_data_macros milter_end_of_header_macros "
	    "milter_header_checks milter_helo_macros milter_macro_daemon_name "
	    "milter_macro_defaults milter_macro_v milter_mail_macros "
	    "milter_protocol milter_rcpt_macros milter_unknown_command_macros "
	    "smtpd_milter_maps"},
	{IMPORT_UNSUPPORTED,
	    "there are no milters, but what OpenDKIM, OpenARC and OpenDMARC do is "
	    "built in: \"posthouse dkim new DOMAIN --selector S --file KEY\" takes "
	    "a key over; see dkim_signing_table, arc_sealing_domain, "
	    "mail_authentication and dmarc_reject_action. Other filters: before "
	    "port 25 or behind a relay, until the same is built in",
	    "non_smtpd_milters smtpd_milters"},
	{IMPORT_UNSUPPORTED,
	    "there is no such command",
	    "default_verp_delimiters disable_verp_bounces "
	    "smtp_send_xforward_command smtp_xforward_timeout "
	    "smtpd_authorized_verp_clients smtpd_authorized_xclient_hosts "
	    "smtpd_authorized_xforward_hosts smtpd_command_filter "
	    "smtpd_discard_ehlo_keyword_address_maps smtpd_dns_reply_filter "
	    "smtpd_noop_commands smtpd_reject_footer smtpd_reject_footer_maps "
	    "verp_delimiter_filter"},
	{IMPORT_UNSUPPORTED,
	    "smtp shows no certificate of its own",
	    "lmtp_tls_cert_file lmtp_tls_chain_files lmtp_tls_dcert_file "
	    "lmtp_tls_dkey_file lmtp_tls_eccert_file lmtp_tls_eckey_file "
	    "lmtp_tls_key_file smtp_tls_cert_file smtp_tls_chain_files "
	    "smtp_tls_dcert_file smtp_tls_dkey_file smtp_tls_eccert_file "
	    "smtp_tls_eckey_file smtp_tls_key_file"},
	{IMPORT_UNSUPPORTED,
	    "headers and bodies are not matched against tables",
	    "body_checks body_checks_size_limit header_checks lmtp_body_checks "
	    "lmtp_header_checks lmtp_mime_header_checks lmtp_nested_header_checks "
	    "mime_header_checks nested_header_checks smtp_body_checks "
	    "smtp_header_checks smtp_mime_header_checks smtp_nested_header_checks"},
	{IMPORT_UNSUPPORTED,
	    "addresses are not rewritten: give users the address they send with, "
	    "and aliases for what arrives",
	    "canonical_classes canonical_maps lmtp_generic_maps "
	    "masquerade_classes masquerade_domains masquerade_exceptions "
	    "smtp_generic_maps"},
	{IMPORT_UNSUPPORTED,
	    "SASL is done by auth(8) from auth_password_maps: bring the password "
	    "hashes into \"passwords\" (Dovecot's are understood); auth_mechanisms "
	    "has the mechanisms",
	    "broken_sasl_auth_clients cyrus_sasl_config_path "
	    "send_cyrus_sasl_authzid smtpd_sasl_mechanism_filter smtpd_sasl_path "
	    "smtpd_sasl_response_limit smtpd_sasl_security_options "
	    "smtpd_sasl_service smtpd_sasl_tls_security_options smtpd_sasl_type"},
	{IMPORT_UNSUPPORTED,
	    "clients are not asked for certificates; DSA is gone",
	    "relay_clientcerts smtpd_tls_CAfile smtpd_tls_CApath "
	    "smtpd_tls_ask_ccert smtpd_tls_ccert_verifydepth smtpd_tls_dcert_file "
	    "smtpd_tls_dkey_file smtpd_tls_req_ccert"},
	{IMPORT_UNSUPPORTED,
	    "there are no policy servers; for greylisting see smtpd_greylisting, "
	    "rates are policyd's",
	    "smtpd_policy_service_default_action smtpd_policy_service_max_idle "
	    "smtpd_policy_service_max_ttl smtpd_policy_service_policy_context "
	    "smtpd_policy_service_request_limit smtpd_policy_service_retry_delay "
	    "smtpd_policy_service_timeout smtpd_policy_service_try_limit"},
	{IMPORT_UNSUPPORTED,
	    "there are no content filters: filter on another host in front of "
	    "port 25",
	    "content_filter default_filter_nexthop receive_override_options "
	    "smtpd_proxy_ehlo smtpd_proxy_filter smtpd_proxy_options "
	    "smtpd_proxy_timeout"},
	{IMPORT_UNSUPPORTED,
	    "replies are taken as they are",
	    "default_delivery_status_filter local_delivery_status_filter "
	    "pipe_delivery_status_filter smtp_delivery_status_filter "
	    "smtp_dns_reply_filter smtp_reply_filter"},
	{IMPORT_UNSUPPORTED,
	    "the kernel chooses the address mail is sent from; set it by a route",
	    "lmtp_bind_address lmtp_bind_address6 lmtp_bind_address_enforce "
	    "smtp_bind_address smtp_bind_address6 smtp_bind_address_enforce"},
	{IMPORT_UNSUPPORTED,
	    "no notices go to the postmaster; \"posthouse queue\" and the log tell",
	    "2bounce_notice_recipient bounce_notice_recipient "
	    "delay_notice_recipient error_notice_recipient notify_classes"},
	{IMPORT_UNSUPPORTED,
	    "the next hop depends on the recipient alone (transport_maps, "
	    "relayhost)",
	    "empty_address_default_transport_maps_lookup_key "
	    "empty_address_relayhost_maps_lookup_key "
	    "sender_dependent_default_transport_maps "
	    "sender_dependent_relayhost_maps"},
	{IMPORT_UNSUPPORTED,
	    "connections alone are counted (smtpd_client_connection_rate_limit), "
	    "and failed logins (login_failure_*)",
	    "smtpd_client_auth_rate_limit smtpd_client_message_rate_limit "
	    "smtpd_client_new_tls_session_rate_limit "
	    "smtpd_client_recipient_rate_limit"},
	{IMPORT_UNSUPPORTED,
	    "no copies are made by rule; for one recipient, an alias that names "
	    "both",
	    "always_bcc recipient_bcc_maps sender_bcc_maps"},
	{IMPORT_UNSUPPORTED,
	    "deliveries to a destination are limited by number at a time, not by "
	    "a delay",
	    "default_destination_rate_delay default_transport_rate_delay"},
	{IMPORT_UNSUPPORTED,
	    "there is one way for each destination; give the destination more MX "
	    "records",
	    "lmtp_fallback_relay smtp_fallback_relay"},
	{IMPORT_UNSUPPORTED,
	    "name one file in smtp_tls_CAfile",
	    "lmtp_tls_CApath smtp_tls_CApath"},
	{IMPORT_UNSUPPORTED,
	    "list the domain in \"domains\"",
	    "best_mx_transport"},
	{IMPORT_UNSUPPORTED,
	    "\"posthouse service stop smtp\" or \"posthouse queue hold\" defer",
	    "defer_transports"},
	{IMPORT_UNSUPPORTED,
	    "put hosts into brackets, [host], in relayhost and transport_maps: "
	    "then no MX record is looked up",
	    "disable_dns_lookups"},
	{IMPORT_UNSUPPORTED,
	    ".domain alone stands for what is below a domain, in all tables",
	    "parent_domain_matches_subdomains"},
	{IMPORT_UNSUPPORTED,
	    "list the domains in \"domains\" as relay",
	    "permit_mx_backup_networks"},
	{IMPORT_UNSUPPORTED,
	    "replies name the list: do not use lists whose names are a secret",
	    "postscreen_dnsbl_reply_map"},
	{IMPORT_UNSUPPORTED,
	    "mail for a domain whose MX record leads to us from outside has to "
	    "stand in \"domains\"",
	    "proxy_interfaces"},
	{IMPORT_UNSUPPORTED,
	    "use transport_maps with \"error:5.1.6 moved to ...\" for each address",
	    "relocated_maps"},
	{IMPORT_UNSUPPORTED,
	    "hosts are found by DNS alone; write an address, [192.0.2.1], where "
	    "DNS has none",
	    "smtp_host_lookup"},
	{IMPORT_UNSUPPORTED,
	    "smtp uses STARTTLS alone",
	    "smtp_tls_wrappermode"},
	{IMPORT_UNSUPPORTED,
	    "senders are checked where a user logs in",
	    "smtpd_reject_unlisted_sender"},
	{IMPORT_UNSUPPORTED,
	    "AUTH is offered to every client of submission; leave the network to "
	    "port 25 and mynetworks",
	    "smtpd_sasl_exceptions_networks"},
	{IMPORT_UNSUPPORTED,
	    "stop the service instead: \"posthouse service stop\"",
	    "soft_bounce"},
	{IMPORT_UNSUPPORTED,
	    "one chain for all names: a certificate with all of them",
	    "tls_server_sni_maps"},
	{IMPORT_IGNORED, NULL, NULL},
};
/* clang-format on */

/* Every name, to its row: an index of import_names, or of import_groups from
 * GROUPS on; one more than it, so that 0 is none. */
#define GROUPS 10000

static void index_names(struct table *known)
{
	for (size_t i = 0; import_names[i].name != NULL; i++)
		table_put(known, str_from(import_names[i].name),
		    (void *)(uintptr_t)(i + 1));
	for (size_t i = 0; import_groups[i].names != NULL; i++) {
		struct str rest = str_from(import_groups[i].names), word;

		while ((word = str_word(&rest, " ")).len > 0)
			table_put(
			    known, word, (void *)(uintptr_t)(GROUPS + i + 1));
	}
}

static bool find_row(struct str name, struct import_name *out)
{
	static struct table known;
	uintptr_t at;

	if (known.count == 0)
		index_names(&known);
	at = (uintptr_t)table_get(&known, name);
	if (at > GROUPS)
		*out = (struct import_name){"",
		    import_groups[at - GROUPS - 1].verdict, IMPORT_AS_IT_IS,
		    NULL, NULL, import_groups[at - GROUPS - 1].note};
	else if (at > 0 && at <= ARRAY_LEN(import_names))
		*out = import_names[at - 1];
	return at > 0;
}

/* smtp_destination_recipient_limit is what default_... is, for smtp. */
static bool find_default(struct str name, struct import_name *out)
{
	static const char *const ends[] = {"_destination_", "_delivery_slot_",
	    "_extra_recipient_limit", "_minimum_delivery_slots",
	    "_recipient_limit", "_recipient_refill_", "_transport_rate_delay"};
	char text[128], other[160];

	if (str_copy(text, sizeof(text), name) < 0)
		return false;
	if (str_ends(name, STR("_initial_destination_concurrency"))) {
		find_row(STR("initial_destination_concurrency"), out);
		out->verdict = IMPORT_UNSUPPORTED;
		out->note = "there is one initial_destination_concurrency for "
			    "all transports";
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const char *end = strstr(text, ends[i]);

		if (end == NULL || end == text)
			continue;
		snprintf(other, sizeof(other), "default%s", end);
		if (find_row(str_from(other), out)) {
			out->fallback = NULL;
			return true;
		}
	}
	return false;
}

void import_known(struct str name, struct import_name *out)
{
	char text[128];

	*out = (struct import_name){.name = NULL};
	if (!find_row(name, out) && !find_default(name, out))
		return;
	/* A parameter that has come since: its name means the same. */
	if (out->verdict >= IMPORT_IGNORED &&
	    str_copy(text, sizeof(text), name) == 0 &&
	    conf_find(text, NULL) != NULL && out->form == IMPORT_AS_IT_IS &&
	    !str_ends(name, STR("_directory")) && out->note != NULL &&
	    strstr(out->note, "own processes") == NULL &&
	    strstr(out->note, "lookup reads") == NULL)
		*out = (struct import_name){
		    out->name, IMPORT_SAME, IMPORT_AS_IT_IS, NULL, NULL, NULL};
}

struct nearest {
	struct str wanted, found;
	size_t best;
};

static void compare(struct nearest *n, struct str known)
{
	size_t d = conf_distance(n->wanted, known);

	if (d >= n->best)
		return;
	n->best = d;
	n->found = known;
}

bool import_nearest(struct str name, char *out, size_t size)
{
	struct nearest n = {name, STR_EMPTY, name.len / 3 + 1};

	if (name.len > 100)
		return false;
	for (const struct import_name *k = import_names; k->name != NULL; k++)
		compare(&n, str_from(k->name));
	for (const struct import_group *g = import_groups; g->names != NULL;
	     g++) {
		struct str rest = str_from(g->names), word;

		while ((word = str_word(&rest, " ")).len > 0)
			compare(&n, word);
	}
	return n.found.len > 0 && str_copy(out, size, n.found) == 0;
}
