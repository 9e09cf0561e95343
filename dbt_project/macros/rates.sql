{#- n of N as a share; null where nothing was expected. -#}
{% macro rate(n, total) -%}
    cast({{ n }} as double) / nullif({{ total }}, 0)
{%- endmacro %}
