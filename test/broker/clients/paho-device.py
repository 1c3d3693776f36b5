"""A device on Debian's paho: publishes COUNT messages at QoS 1 in one burst right behind CONNECT, waits for one command, ends."""
import sys, paho.mqtt.client as mqtt

host, port, device, ca, cert, key, count = sys.argv[1:8]
count = int(count)
acked = 0

def on_connect(client, userdata, flags, rc):
    if rc != 0:
        print("refused", rc, flush=True)
        client.disconnect()
        return
    client.subscribe("v1/%s/command" % device, qos=1)
    for i in range(count):
        client.publish("v1/%s/telemetry" % device, b"m%d" % i, qos=1)

def on_publish(client, userdata, mid):
    global acked
    acked += 1
    if acked == count:
        print("acked", acked, flush=True)

def on_message(client, userdata, message):
    print("command", message.payload.decode(), flush=True)
    client.disconnect()

try:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, client_id=device, clean_session=True)
except AttributeError:  # paho 1
    client = mqtt.Client(client_id=device, clean_session=True)
client.on_connect, client.on_publish, client.on_message = on_connect, on_publish, on_message
client.max_inflight_messages_set(0)
client.tls_set(ca_certs=ca, certfile=cert, keyfile=key)
client.connect(host, int(port), keepalive=30)
client.loop_forever(retry_first_connection=False)
