/* bench/lib/peer_kind.c - see peer_kind.h. */
#include "bench/lib/peer_kind.h"

#define NGINX_MODULE "/usr/lib/nginx/modules/ngx_stream_module.so"

/* clang-format off: the templates are read as what they become */

#define TUNNEL_GATEWAY \
	"gateway:\n" \
	"  listen_addr: \"127.0.0.1:${far}\"\n" \
	"  tls_cert: ${dir}/cert.pem\n" \
	"  tls_key: ${dir}/key.pem\n" \
	"  tls_tunnel: {auth_key: \"" TUNNEL_KEY "\"}\n"

#define TUNNEL_CLIENT_OVER(transport) \
	"client:\n" \
	"  protocol: tls-tunnel\n" \
	"  transport: " transport "\n" \
	"  gateway_addr: \"127.0.0.1:${far}\"\n" \
	"  gateway_tls_cert: ${dir}/cert.pem\n" \
	"  auth_key: \"" TUNNEL_KEY "\"\n" \
	"${links}" \
	"  proxies:\n" \
	"    - {name: bench, type: tcp, publish_addr: 127.0.0.1, publish_port: ${near},\n" \
	"       local_addr: 127.0.0.1, local_port: ${origin}}\n"

#define HAPROXY_BOTH \
	"global\n" \
	" nbthread ${cores}\n" \
	" maxconn 8192\n" \
	"defaults\n" \
	" mode tcp\n" \
	" timeout connect 5s\n" \
	" timeout client 1h\n" \
	" timeout server 1h\n"

#define HAPROXY_FAR HAPROXY_BOTH \
	"listen far\n" \
	" bind 127.0.0.1:${far} ssl crt ${dir}/both.pem ssl-min-ver TLSv1.3" \
	" ciphersuites TLS_AES_128_GCM_SHA256 curves X25519\n" \
	" server origin 127.0.0.1:${origin}\n"

#define HAPROXY_NEAR HAPROXY_BOTH \
	"listen near\n" \
	" bind 127.0.0.1:${near}\n" \
	" server far 127.0.0.1:${far} ssl ca-file ${dir}/cert.pem verify required verifyhost localhost" \
	" ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256\n"

#define NGINX_BOTH \
	"${master}" \
	"error_log stderr;\n" \
	"load_module " NGINX_MODULE ";\n" \
	"worker_processes ${cores};\n" \
	"events { worker_connections 8192; }\n"

#define NGINX_FAR NGINX_BOTH \
	"pid ${dir}/nginx-far.pid;\n" \
	"stream { server {\n" \
	" listen 127.0.0.1:${far} ssl;\n" \
	" proxy_pass 127.0.0.1:${origin};\n" \
	" proxy_buffer_size 64k;\n" \
	" proxy_timeout 1h;\n" \
	" ssl_certificate ${dir}/cert.pem;\n" \
	" ssl_certificate_key ${dir}/key.pem;\n" \
	" ssl_protocols TLSv1.3;\n" \
	" ssl_ecdh_curve X25519;\n" \
	" ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n" \
	"} }\n"

#define NGINX_NEAR NGINX_BOTH \
	"pid ${dir}/nginx-near.pid;\n" \
	"stream { server {\n" \
	" listen 127.0.0.1:${near};\n" \
	" proxy_pass 127.0.0.1:${far};\n" \
	" proxy_buffer_size 64k;\n" \
	" proxy_timeout 1h;\n" \
	" proxy_ssl on;\n" \
	" proxy_ssl_protocols TLSv1.3;\n" \
	" proxy_ssl_verify on;\n" \
	" proxy_ssl_name localhost;\n" \
	" proxy_ssl_trusted_certificate ${dir}/cert.pem;\n" \
	" proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n" \
	"} }\n"

#define STUNNEL_BOTH \
	"foreground = yes\n" \
	"pid =\n" \
	"debug = err\n" \
	"socket = l:TCP_NODELAY=1\n" \
	"socket = r:TCP_NODELAY=1\n" \
	"sslVersionMin = TLSv1.3\n" \
	"ciphersuites = TLS_AES_128_GCM_SHA256\n" \
	"curves = X25519\n"

#define STUNNEL_FAR STUNNEL_BOTH \
	"[far]\n" \
	"accept = 127.0.0.1:${far}\n" \
	"connect = 127.0.0.1:${origin}\n" \
	"cert = ${dir}/cert.pem\n" \
	"key = ${dir}/key.pem\n"

#define STUNNEL_NEAR STUNNEL_BOTH \
	"[near]\n" \
	"client = yes\n" \
	"accept = 127.0.0.1:${near}\n" \
	"connect = 127.0.0.1:${far}\n" \
	"CAfile = ${dir}/cert.pem\n" \
	"verifyChain = yes\n" \
	"checkHost = localhost\n"

#define SSHD_CONFIG \
	"ListenAddress 127.0.0.1:${far}\n" \
	"HostKey ${dir}/ssh_host\n" \
	"PidFile none\n" \
	"UsePAM no\n" \
	"StrictModes no\n" \
	"PermitRootLogin prohibit-password\n" \
	"PasswordAuthentication no\n" \
	"AuthorizedKeysFile ${dir}/ssh_user.pub\n" \
	"Ciphers aes128-gcm@openssh.com\n" \
	"KexAlgorithms curve25519-sha256\n" \
	"AllowTcpForwarding yes\n"

#define SSH_CLIENT \
	"ssh -N -F none -i ${dir}/ssh_user -p ${far} -c aes128-gcm@openssh.com" \
	" -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=no" \
	" -o UserKnownHostsFile=${dir}/known_hosts -o ExitOnForwardFailure=yes" \
	" -R 127.0.0.1:${near}:127.0.0.1:${origin} ${user}@127.0.0.1"

/* Programs of Go take a number of threads from the environment; without the second setting two ends of Go
 * 1.24 would add ML-KEM to X25519. */
#define GO "env GOMAXPROCS=${cores} GODEBUG=tlsmlkem=0 "

#define FRP_BOTH \
	"auth.token = \"" TUNNEL_KEY "\"\n" \
	"log.level = \"warn\"\n" \
	"transport.tcpMux = true\n"

#define FRP_SERVER FRP_BOTH \
	"bindAddr = \"127.0.0.1\"\n" \
	"bindPort = ${far}\n" \
	"proxyBindAddr = \"127.0.0.1\"\n" \
	"transport.tls.force = true\n" \
	"transport.tls.certFile = \"${dir}/cert.pem\"\n" \
	"transport.tls.keyFile = \"${dir}/key.pem\"\n"

#define FRP_CLIENT FRP_BOTH \
	"serverAddr = \"127.0.0.1\"\n" \
	"serverPort = ${far}\n" \
	"transport.tls.enable = true\n" \
	"transport.tls.trustedCaFile = \"${dir}/cert.pem\"\n" \
	"transport.tls.serverName = \"localhost\"\n" \
	"[[proxies]]\n" \
	"name = \"bench\"\n" \
	"type = \"tcp\"\n" \
	"localIP = \"127.0.0.1\"\n" \
	"localPort = ${origin}\n" \
	"remotePort = ${near}\n"

#define LINKSOCKS_TOKEN "a-token-for-measurements-only"

/* The users come in where our client is, so bytes go the same way as with the original. */
#define LINKSOCKS_SERVER \
	"access: {deny: []}\n" \
	"gateway:\n" \
	"  listen_addr: \"127.0.0.1:${far}\"\n" \
	"  tls_cert: ${dir}/cert.pem\n" \
	"  tls_key: ${dir}/key.pem\n" \
	"  linksocks: {tokens: [{token: " LINKSOCKS_TOKEN ", type: forward}]}\n"

#define LINKSOCKS_CLIENT \
	"client:\n" \
	"  protocol: linksocks\n" \
	"  gateway_addr: \"127.0.0.1:${far}\"\n" \
	"  gateway_tls_cert: ${dir}/cert.pem\n" \
	"  token: " LINKSOCKS_TOKEN "\n" \
	"  socks5: {listen_addr: \"127.0.0.1:${near}\"}\n"

#define LINKSOCKS_CLEAR_SERVER \
	"access: {deny: []}\n" \
	"gateway:\n" \
	"  listen_addr: unix:${dir}/unused.sock\n" \
	"  tls_cert: ${dir}/cert.pem\n" \
	"  tls_key: ${dir}/key.pem\n" \
	"  linksocks:\n" \
	"    listen_addr: \"127.0.0.1:${far}\"\n" \
	"    tokens: [{token: " LINKSOCKS_TOKEN ", type: forward}]\n"

#define LINKSOCKS_CLEAR_CLIENT \
	"client:\n" \
	"  protocol: linksocks\n" \
	"  gateway_addr: \"127.0.0.1:${far}\"\n" \
	"  plaintext: true\n" \
	"  token: " LINKSOCKS_TOKEN "\n" \
	"  socks5: {listen_addr: \"127.0.0.1:${near}\"}\n"

#define OURS(name) \
	"${tunnel} --config ${dir}/" name " --cores ${cores} --engine ${engine} --log-level ${level}"

/* clang-format on */

const struct peer_kind peer_kinds[PEER_COUNT] = {
	{
		.name = "tunnel",
		.tls = "TLS 1.3, its own choice of cipher",
		.far_is_tls = true,
		.speaks_tunnel = true,
		.transport = IDLE_TLS,
		.programs = {"${tunnel}"},
		.version = "${tunnel} --version",
		.version_after = "tunnel ",
		.files = {{"gateway.yaml", TUNNEL_GATEWAY}, {"client.yaml", TUNNEL_CLIENT_OVER("tls")}},
		.start = {OURS("gateway.yaml"), OURS("client.yaml")},
	},
	{
		.name = "tunnel-http2",
		.tls = "HTTP/2 inside TLS 1.3, its own choice of cipher",
		.far_is_tls = true,
		.speaks_tunnel = true,
		.transport = IDLE_HTTP2,
		.programs = {"${tunnel}"},
		.version = "${tunnel} --version",
		.version_after = "tunnel ",
		.files = {{"http2-gateway.yaml", TUNNEL_GATEWAY},
			  {"http2-client.yaml", TUNNEL_CLIENT_OVER("http2")}},
		.start = {OURS("http2-gateway.yaml"), OURS("http2-client.yaml")},
	},
	{
		.name = "tunnel-wss",
		.tls = "WebSocket inside TLS 1.3, its own choice of cipher",
		.far_is_tls = true,
		.speaks_tunnel = true,
		.transport = IDLE_WSS,
		.programs = {"${tunnel}"},
		.version = "${tunnel} --version",
		.version_after = "tunnel ",
		.files = {{"wss-gateway.yaml", TUNNEL_GATEWAY},
			  {"wss-client.yaml", TUNNEL_CLIENT_OVER("wss")}},
		.start = {OURS("wss-gateway.yaml"), OURS("wss-client.yaml")},
	},
	{
		.name = "copy",
		.tls = "none: the floor, two relays that copy",
		.programs = {"${self}"},
		.start = {"${self} --relay copy ${far} ${origin}", "${self} --relay copy ${near} ${far}"},
	},
	{
		.name = "sealed",
		.tls = "AES-128-GCM records without a handshake: the floor, two relays that copy and seal",
		.programs = {"${self}"},
		.version = "${self} --relay cipher",
		.version_after = "ipsec-mb ",
		.prepare = {"${self} --relay cipher"},
		.start = {"${self} --relay open ${far} ${origin}", "${self} --relay seal ${near} ${far}"},
	},
	{
		.name = "haproxy",
		.tls = "TLS 1.3 AES-128-GCM X25519",
		.far_is_tls = true,
		.programs = {"haproxy"},
		.version = "haproxy -v",
		.version_after = "version ",
		.files = {{"haproxy-far.cfg", HAPROXY_FAR}, {"haproxy-near.cfg", HAPROXY_NEAR}},
		.start = {"haproxy -db -f ${dir}/haproxy-far.cfg", "haproxy -db -f ${dir}/haproxy-near.cfg"},
	},
	{
		.name = "nginx",
		.tls = "TLS 1.3 AES-128-GCM X25519",
		.far_is_tls = true,
		.programs = {"nginx"},
		.needs_file = NGINX_MODULE,
		.version = "nginx -v",
		.version_after = "nginx/",
		.files = {{"nginx-far.conf", NGINX_FAR}, {"nginx-near.conf", NGINX_NEAR}},
		.start = {"nginx -e stderr -p ${dir} -c ${dir}/nginx-far.conf",
			  "nginx -e stderr -p ${dir} -c ${dir}/nginx-near.conf"},
	},
	{
		.name = "stunnel",
		.tls = "TLS 1.3 AES-128-GCM X25519",
		.far_is_tls = true,
		.programs = {"stunnel"},
		.version = "stunnel -version",
		.version_after = "stunnel ",
		.files = {{"stunnel-far.conf", STUNNEL_FAR}, {"stunnel-near.conf", STUNNEL_NEAR}},
		.start = {"stunnel ${dir}/stunnel-far.conf", "stunnel ${dir}/stunnel-near.conf"},
	},
	{
		.name = "ssh",
		.tls = "SSH aes128-gcm X25519 (ssh -R)",
		.programs = {"sshd", "ssh"},
		.version = "ssh -V",
		.version_after = "OpenSSH_",
		.files = {{"sshd_config", SSHD_CONFIG}},
		.prepare = {"ssh-keygen -q -t ecdsa -b 256 -N= -f ${dir}/ssh_host",
			    "ssh-keygen -q -t ecdsa -b 256 -N= -f ${dir}/ssh_user"},
		.start = {"sshd -D -e -f ${dir}/sshd_config", SSH_CLIENT},
	},
	{
		.name = "chisel",
		.tls = "SSH inside WebSocket inside TLS 1.3, as Go chooses",
		.programs = {"chisel"},
		.version = "chisel --version",
		.version_after = "",
		.start = {GO "chisel server --host 127.0.0.1 --port ${far} --reverse"
			     " --tls-cert ${dir}/cert.pem --tls-key ${dir}/key.pem",
			  GO "chisel client --tls-ca ${dir}/cert.pem https://127.0.0.1:${far}"
			     " R:127.0.0.1:${near}:127.0.0.1:${origin}"},
	},
	{
		.name = "frp",
		.tls = "yamux inside TLS 1.3, as Go chooses",
		.programs = {"frps", "frpc"},
		.version = "frps --version",
		.version_after = "",
		.files = {{"frps.toml", FRP_SERVER}, {"frpc.toml", FRP_CLIENT}},
		.start = {GO "frps -c ${dir}/frps.toml", GO "frpc -c ${dir}/frpc.toml"},
	},
	{
		.name = "linksocks",
		.tls = "LinkSocks of ours over WebSocket, TLS 1.3",
		.far_is_tls = true,
		.socks = true,
		.programs = {"${tunnel}"},
		.version = "${tunnel} --version",
		.version_after = "tunnel ",
		.files = {{"linksocks-server.yaml", LINKSOCKS_SERVER},
			  {"linksocks-client.yaml", LINKSOCKS_CLIENT}},
		.start = {OURS("linksocks-server.yaml"), OURS("linksocks-client.yaml")},
	},
	{
		.name = "linksocks-clear",
		.tls = "none: LinkSocks of ours over plain WebSocket",
		.socks = true,
		.programs = {"${tunnel}"},
		.version = "${tunnel} --version",
		.version_after = "tunnel ",
		.files = {{"linksocks-clear-server.yaml", LINKSOCKS_CLEAR_SERVER},
			  {"linksocks-clear-client.yaml", LINKSOCKS_CLEAR_CLIENT}},
		.start = {OURS("linksocks-clear-server.yaml"), OURS("linksocks-clear-client.yaml")},
	},
	{
		.name = "linksocks-go",
		.tls = "none: the original LinkSocks over plain WebSocket",
		.socks = true,
		.by_name = true,
		.programs = {"${linksocks}"},
		.needs_file = PEER_SOURCE "/tests/peers/linksocks/peer.py",
		.version = "${linksocks} -c import\tlinksocks;print('linksocks',linksocks.__version__)",
		.version_after = "linksocks ",
		.start = {GO "${linksocks} " PEER_SOURCE "/tests/peers/linksocks/peer.py server ${far}"
			     " --forward " LINKSOCKS_TOKEN,
			  GO "${linksocks} " PEER_SOURCE "/tests/peers/linksocks/peer.py client"
			     " ws://127.0.0.1:${far} " LINKSOCKS_TOKEN " --socks ${near}"},
	},
};
