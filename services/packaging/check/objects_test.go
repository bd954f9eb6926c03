package check_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const manifests = "../kubernetes"

// objects are the manifests by kind.
type objects struct {
	namespaces []*corev1.Namespace
	accounts   []*corev1.ServiceAccount
	configs    []*corev1.ConfigMap
	services   []*corev1.Service
	sets       []*appsv1.StatefulSet
	budgets    []*policyv1.PodDisruptionBudget
	policies   []*networkingv1.NetworkPolicy
}

// load decodes every manifest as the API server does with strict validation: a field
// that there is not, in that spelling, or that is there twice, is an error. A kind that is not listed here fails the test, too.
func load(t *testing.T) *objects {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(manifests, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests in %s (%v)", manifests, err)
	}
	var o objects
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range documents(t, file, text) {
			if err := o.add(doc); err != nil {
				t.Errorf("%s, document %d: %v", file, i+1, err)
			}
		}
	}
	return &o
}

// config returns the files of a ConfigMap.
func (o *objects) config(t *testing.T, name string) map[string]string {
	t.Helper()
	for _, c := range o.configs {
		if c.Name == name {
			return c.Data
		}
	}
	t.Fatalf("there is no ConfigMap %s", name)
	return nil
}

func documents(t *testing.T, file string, text []byte) [][]byte {
	t.Helper()
	r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var docs [][]byte
	for {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(bytes.TrimSpace(doc)) > 0 {
			docs = append(docs, doc)
		}
	}
}

func (o *objects) add(doc []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Namespace":
		return into(doc, &o.namespaces)
	case "v1 ServiceAccount":
		return into(doc, &o.accounts)
	case "v1 ConfigMap":
		return into(doc, &o.configs)
	case "v1 Service":
		return into(doc, &o.services)
	case "apps/v1 StatefulSet":
		return into(doc, &o.sets)
	case "policy/v1 PodDisruptionBudget":
		return into(doc, &o.budgets)
	case "networking.k8s.io/v1 NetworkPolicy":
		return into(doc, &o.policies)
	}
	return errors.New(kind.APIVersion + " " + kind.Kind + " is not known to this test")
}

func into[T any](doc []byte, list *[]*T) error {
	text, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	x := new(T)
	strict, err := kjson.UnmarshalStrict(text, x)
	if err := errors.Join(append(strict, err)...); err != nil {
		return err
	}
	*list = append(*list, x)
	return nil
}
