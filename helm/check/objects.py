"""What is asked of rendered objects: the schemas of Kubernetes, those of custom resources, Pod Security `restricted`, and that objects fit
together."""

import functools
import json
import re
import tomllib

import jsonschema
import kubernetes_validate

from chart import HERE, NAMESPACE, RELEASE, Wrong, label, of_kind, pods_of, settings_of

# The oldest that Chart.yaml allows, and the newest that the tool knows.
VERSIONS = ["1.30", "1.37"]
RECOMMENDED = ["name", "instance", "version", "component", "part-of", "managed-by"]
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


@functools.cache
def custom_schema(kind):
    path = HERE / "crds" / f"{kind.lower()}.json"
    return jsonschema.Draft202012Validator(json.loads(path.read_text())) if path.exists() else None


def fits_schema(it, versions):
    """Against which schema an object was held: `kubernetes` or `own`."""
    validator = custom_schema(it["kind"])
    if validator:
        for error in validator.iter_errors(it):
            raise Wrong(f"{label(it)}: {'.'.join(map(str, error.path))}: {error.message}")
        return "own"
    for version in versions:
        try:
            kubernetes_validate.validate(it, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Wrong(f"{label(it)} in Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}") from error
        except kubernetes_validate.SchemaNotFoundError as error:
            raise Wrong(f"{label(it)}: {error.message}; a custom resource needs a schema in helm/check/crds") from error
    return "kubernetes"


def restricted(objects):
    """Pod Security Standards, level `restricted`, and what goes beyond it here: nothing can be written but volumes."""
    for it, _, pod in pods_of(objects):
        def must(right, what):
            if not right:
                raise Wrong(f"{label(it)}: {what}")

        for name in ("hostNetwork", "hostPID", "hostIPC"):
            must(not pod.get(name), f"{name} is not allowed")
        whole = pod.get("securityContext", {})
        must(whole.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"), "seccompProfile must be RuntimeDefault")
        must(whole.get("runAsNonRoot") is True and whole.get("runAsUser", 0) > 0, "runAsNonRoot with a user other than 0")
        must(pod.get("automountServiceAccountToken") is False, "automountServiceAccountToken must be false")
        allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret", "image"}
        for volume in pod.get("volumes", []):
            must(volume.keys() - {"name"} <= allowed, f"volume {volume['name']} is of a kind that `restricted` forbids")
        for container in pod.get("initContainers", []) + pod["containers"]:
            context = container.get("securityContext", {})
            where = f"container {container['name']}: "
            must(context.get("allowPrivilegeEscalation") is False, where + "allowPrivilegeEscalation must be false")
            must(context.get("readOnlyRootFilesystem") is True, where + "readOnlyRootFilesystem must be true")
            must(context.get("capabilities", {}).get("drop") == ["ALL"], where + "capabilities must be dropped")
            must(not context.get("capabilities", {}).get("add"), where + "capabilities must not be added")
            must(not context.get("privileged"), where + "privileged is not allowed")
            must(not any("hostPort" in port for port in container.get("ports", [])), where + "hostPort is not allowed")


def fit_together(objects):
    """Names, labels, selectors, ports and volumes that one object takes from another."""
    names = [label(it) for it in objects]
    for name in names:
        if names.count(name) > 1:
            raise Wrong(f"{name} is there more than once")
    for it in objects:
        named(it)
    [workload] = of_kind(objects, "Deployment", "StatefulSet")
    services = of_kind(objects, "Service")
    pod_labels = workload["spec"]["template"]["metadata"]["labels"]
    pod = workload["spec"]["template"]["spec"]
    ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
    selects(workload, workload["spec"]["selector"]["matchLabels"], pod_labels)
    for _, meta, spec in pods_of(objects):
        volumes_fit(meta, spec)
    for service in services:
        selects(service, service["spec"]["selector"], pod_labels)
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in ports or port["port"] != ports[port["targetPort"]]:
                raise Wrong(f"{label(service)}: no container has the port {port['targetPort']}")
        if "admin" in [port["name"] for port in service["spec"]["ports"]] and not service["metadata"]["name"].endswith("-admin"):
            raise Wrong(f"{label(service)}: clients' Services must not open the admin port")
    for it in of_kind(objects, "PodDisruptionBudget"):
        selects(it, it["spec"]["selector"]["matchLabels"], pod_labels)
    for it in of_kind(objects, "NetworkPolicy"):
        selects(it, it["spec"]["podSelector"]["matchLabels"], pod_labels)
        for rule in it["spec"]["ingress"]:
            for port in rule["ports"]:
                if port["port"] not in ports:
                    raise Wrong(f"{label(it)}: no container has the port {port['port']}")
        for test in of_kind(objects, "Pod"):
            if not any(admits(rule, test["metadata"]["labels"]) for rule in it["spec"]["ingress"]):
                raise Wrong(f"{label(it)}: `helm test` would not come through")
    for it in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = it["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) != (workload["kind"], workload["metadata"]["name"]):
            raise Wrong(f"{label(it)} scales {target['kind']}/{target['name']}, which is not there")
        if "replicas" in workload["spec"]:
            raise Wrong(f"{label(workload)}: replicas are given, and {label(it)} would be overruled at each upgrade")
    for it in of_kind(objects, "ServiceMonitor"):
        wanted = it["spec"]["selector"]["matchLabels"].items()
        found = [service for service in services if wanted <= service["metadata"]["labels"].items()]
        if len(found) != 1 or it["spec"]["endpoints"][0]["port"] not in [port["name"] for port in found[0]["spec"]["ports"]]:
            raise Wrong(f"{label(it)} must find one Service with its port, and finds {[label(each) for each in found]}")
    if workload["kind"] == "StatefulSet" and f"Service/{workload['spec']['serviceName']}" not in names:
        raise Wrong(f"{label(workload)}: its headless Service is not there")
    for it in of_kind(objects, "Ingress"):
        for rule in it["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend(it, path["backend"]["service"]["name"], path["backend"]["service"]["port"]["name"], services)
    for it in of_kind(objects, "GRPCRoute"):
        for ref in it["spec"]["rules"][0]["backendRefs"]:
            backend(it, ref["name"], ref["port"], services)
    drains(workload, pod, objects)
    encrypts(objects, pod)


def named(it):
    meta = it["metadata"]
    if meta["namespace"] != NAMESPACE:
        raise Wrong(f"{label(it)}: its namespace is {meta['namespace']}")
    # A name of a host; a Service's begins with a letter, and a pod of a StatefulSet gets a number behind it.
    first = "a-z" if it["kind"] == "Service" else "a-z0-9"
    if not isinstance(meta["name"], str) or not re.fullmatch(rf"[{first}]([-a-z0-9]{{0,59}}[a-z0-9])?", meta["name"]):
        raise Wrong(f"{label(it)}: not a name for a host")
    for key in RECOMMENDED:
        if f"app.kubernetes.io/{key}" not in meta["labels"]:
            raise Wrong(f"{label(it)}: the label app.kubernetes.io/{key} is missing")
    if meta["labels"]["app.kubernetes.io/instance"] != RELEASE:
        raise Wrong(f"{label(it)}: app.kubernetes.io/instance must be the release")
    for key, value in meta["labels"].items():
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            raise Wrong(f"{label(it)}: {value!r} is no value for the label {key}")


def selects(it, selector, labels):
    if not selector or not selector.items() <= labels.items():
        raise Wrong(f"{label(it)}: its selector {selector} does not fit the pods' labels {labels}")


def volumes_fit(meta, pod):
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    used = set()
    for container in pod.get("initContainers", []) + pod["containers"]:
        paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        if len(paths) != len(set(paths)):
            raise Wrong(f"container {container['name']}: two volumes are mounted at one place")
        used |= {mount["name"] for mount in container.get("volumeMounts", [])}
    # A volume claim of a StatefulSet is a volume too.
    claimed = {"audit"} - volumes
    if used - claimed != volumes - claimed:
        raise Wrong(f"pod {meta['labels']}: volumes {sorted(volumes)}, mounted {sorted(used)}")


def admits(rule, labels):
    """Whether a rule lets a pod of the same namespace with these labels ask over gRPC."""
    if "grpc" not in [port["port"] for port in rule["ports"]]:
        return False
    wanted = [peer["podSelector"].get("matchLabels", {}) for peer in rule.get("from", []) if peer.keys() == {"podSelector"}]
    return "from" not in rule or any(labels.items() >= each.items() for each in wanted)


def backend(it, name, port, services):
    for service in services:
        if service["metadata"]["name"] == name and any(port in (each["name"], each["port"]) for each in service["spec"]["ports"]):
            return
    raise Wrong(f"{label(it)}: no Service {name} has the port {port}")


def drains(workload, pod, objects):
    """SIGKILL must come later than everything that is promised before it."""
    settings = tomllib.loads(settings_of(objects))
    asleep = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    promised = asleep + settings["server"].get("shutdown_seconds", 30)
    if pod["terminationGracePeriodSeconds"] <= promised:
        raise Wrong(f"{label(workload)}: terminationGracePeriodSeconds must be more than {promised}")


def encrypts(objects, pod):
    """What the settings say of TLS is what probes, Certificate and ServiceMonitor go by."""
    settings = tomllib.loads(settings_of(objects))
    admin = settings.get("tls", {}).get("admin", False)
    encrypted = "cert" in settings.get("tls", {})
    if not admin and not settings["server"].get("insecure"):
        raise Wrong("sagate.toml: the admin port would not be bound without TLS or server.insecure")
    container = pod["containers"][0]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[name]
        if "httpGet" in probe and probe["httpGet"]["scheme"] != ("HTTPS" if admin else "HTTP"):
            raise Wrong(f"{name}: {probe['httpGet']['scheme']}, and the admin port speaks otherwise")
        if "grpc" in probe and encrypted:
            raise Wrong(f"{name}: Kubernetes cannot ask over gRPC with TLS")
    for it in of_kind(objects, "ServiceMonitor"):
        if it["spec"]["endpoints"][0]["scheme"] != ("https" if admin else "http"):
            raise Wrong(f"{label(it)}: the admin port speaks otherwise")
    for it in of_kind(objects, "Certificate"):
        names = it["spec"]["dnsNames"]
        for test in of_kind(objects, "Pod"):
            [server] = [arg for arg in test["spec"]["containers"][0]["args"] if arg.startswith("--server=")]
            if re.fullmatch(r"--server=https://([^:]+):\d+", server).group(1) not in names:
                raise Wrong(f"{label(it)}: {server} asks a name that is not in it")
        for monitor in of_kind(objects, "ServiceMonitor"):
            asked = monitor["spec"]["endpoints"][0].get("tlsConfig", {}).get("serverName")
            if asked and asked not in names:
                raise Wrong(f"{label(monitor)}: asks for {asked}, which is not in the certificate")
